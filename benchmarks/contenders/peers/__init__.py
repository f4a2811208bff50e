"""Published packages that store what agents remember, each in an environment of its own."""
