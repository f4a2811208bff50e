"""These tests need Microsoft's Agent Framework: ``redis-store[agent-framework]``."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("agent_framework") else ["test_*.py"]
