"""Agno: ``RedisDb``. Two messages are a run, and a run is a key.

Its client is synchronous, and its agents call it on the event loop.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

from benchmarks.contenders.peers.store import TEXT, PeerStore

# By name: these packages are installed in the peer's own environment only.
_db: Any = import_module("agno.db.redis")
_db_base: Any = import_module("agno.db.base")
_keys: Any = import_module("agno.db.redis.utils")
_rows: Any = import_module("agno.db.utils")
_runs: Any = import_module("agno.run.agent")
_run_base: Any = import_module("agno.run.base")
_message: Any = import_module("agno.models.message")
_session: Any = import_module("agno.session")

_AGENT: Final = "agent"
_USER: Final = "user"
_INDEXED: Final = ["session_id", "user_id", "agent_id", "run_type", "status"]
_RUN: Final = 2


def _run(ids: tuple[str, ...]) -> Any:
    """Build a run: a question and its answer."""
    roles = zip(ids, ("user", "assistant"), strict=True)
    return _runs.RunOutput(
        run_id=ids[0],
        agent_id=_AGENT,
        user_id=_USER,
        messages=[_message.Message(id=id_, role=role, content=TEXT) for id_, role in roles],
        status=_run_base.RunStatus.completed,
    )


class Agno:
    """See ``PeerStore``."""

    reads_thread = False

    def __init__(self, db: Any) -> None:
        self._db = db
        self._runs: dict[str, int] = {}

    def build(self, ids: Iterable[str]) -> Any:
        """See ``PeerStore``."""
        each = iter(ids)
        return [_run(pair) for pair in zip(each, each, strict=True)]

    async def clear(self) -> None:
        """See ``PeerStore``."""
        self._db.redis_client.flushdb()

    async def drop(self, thread_id: str) -> None:
        """See ``PeerStore``."""
        client, index = self._db.redis_client, self._index(thread_id)
        runs = [self._key(run_id) for run_id in client.zrange(index, 0, -1)]
        client.delete(index, *runs)

    def _index(self, thread_id: str) -> str:
        return f"{self._db.db_prefix}:runs:by_session:{thread_id}"

    def _key(self, run_id: str) -> str:
        return str(_keys.generate_redis_key(self._db.db_prefix, "runs", run_id))

    async def fill(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``. One by one, runs would take seven round trips each."""
        session = _session.AgentSession(session_id=thread_id, agent_id=_AGENT, user_id=_USER)
        self._db.upsert_session(session)
        prefix, pipe = self._db.db_prefix, self._db.redis_client.pipeline()
        for index, run in enumerate(messages):
            row = _rows.build_single_run_row(run, thread_id, _USER, index)
            pipe.set(self._key(run.run_id), _keys.serialize_data(row))
            pipe.zadd(self._index(thread_id), {run.run_id: index})
            _keys.create_index_entries(pipe, prefix, "runs", run.run_id, row, _INDEXED)
        pipe.execute()
        self._runs[thread_id] = len(messages)

    def _read(self, thread_id: str, runs: int | None) -> Any:
        return self._db.get_session(thread_id, _db_base.SessionType.AGENT, runs_limit=runs)

    async def get(self, thread_id: str) -> int:
        """See ``PeerStore``. It always reads all runs."""
        return int(self._read(thread_id, 1) is not None)

    async def last(self, thread_id: str, count: int) -> int:
        """See ``PeerStore``."""
        session = self._read(thread_id, count // _RUN or None)
        return sum(len(run.messages) for run in session.runs)

    async def append(self, thread_id: str, messages: Any) -> None:
        """See ``PeerStore``."""
        for run in messages:
            index = self._runs[thread_id]
            self._runs[thread_id] += 1
            self._db.upsert_run(run, thread_id, _USER, index)

    async def close(self) -> None:
        """See ``PeerStore``."""
        self._db.redis_client.close()


async def connect(url: str) -> PeerStore:
    """Build the database."""
    return Agno(_db.RedisDb(db_url=url))
