"""A private Redis server that starts and stops with the program that uses it. POSIX only."""

from redis_store.embedded.server import EmbeddedServer, find_server

__all__ = ["EmbeddedServer", "find_server"]
