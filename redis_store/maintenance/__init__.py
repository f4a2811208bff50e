"""Keeping the indexes true to the records, and the records to their time."""

from redis_store.maintenance.reindex import Progress, Reindexing

__all__ = ["Progress", "Reindexing"]
