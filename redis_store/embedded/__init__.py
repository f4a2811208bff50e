"""A private Redis server that starts and stops with the program that uses it. POSIX only."""

from redis_store.embedded.binaries import find_server
from redis_store.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "find_server"]
