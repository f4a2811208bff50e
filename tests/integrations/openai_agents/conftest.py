"""These tests need the SDK: ``redis-store[openai-agents]``."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("agents") else ["test_*.py"]
