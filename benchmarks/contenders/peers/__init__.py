"""Published packages that store the memory of agents, each in an environment of its own."""
