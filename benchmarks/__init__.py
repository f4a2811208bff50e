"""How fast the library is, next to others on the same server: ``python -m benchmarks``."""
