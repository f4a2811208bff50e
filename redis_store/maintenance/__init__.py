"""Maintenance: build indexes, verify and repair them, remove old records."""

from redis_store.maintenance.reindex import Progress, Reindexing, adopt
from redis_store.maintenance.report import Finding, Report
from redis_store.maintenance.retention import Pruned, Pruning, Retention
from redis_store.maintenance.verify import Verification

__all__ = [
    "Finding",
    "Progress",
    "Pruned",
    "Pruning",
    "Reindexing",
    "Report",
    "Retention",
    "Verification",
    "adopt",
]
