"""Maintenance: build and verify indexes, remove old records, erase and export resources."""

from redis_store.maintenance.erasure import Erasure
from redis_store.maintenance.export import Export
from redis_store.maintenance.integrations import Integration, register
from redis_store.maintenance.reindex import Reindexing, adopt
from redis_store.maintenance.report import Erased, Finding, Progress, Report
from redis_store.maintenance.retention import Pruned, Pruning, Retention
from redis_store.maintenance.verify import Verification

__all__ = [
    "Erased",
    "Erasure",
    "Export",
    "Finding",
    "Integration",
    "Progress",
    "Pruned",
    "Pruning",
    "Reindexing",
    "Report",
    "Retention",
    "Verification",
    "adopt",
    "register",
]
