"""The workflows domain: snapshots of workflow runs.

``workflow_store`` has the public calls; ``stored_runs`` finds and replaces the record of a run.
"""

from redis_store.workflows.workflow_store import WorkflowStore

__all__ = ["WorkflowStore"]
