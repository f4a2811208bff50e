"""Steps of agent frameworks: the same calls on this library's adapter and on other stores."""
