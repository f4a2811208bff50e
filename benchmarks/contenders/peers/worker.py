"""The process of a peer, under the interpreter of its environment.

python -m benchmarks.contenders.peers.worker NAME asyncio|uvloop URL
"""

import platform
import sys
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

from benchmarks.contenders.peers.catalogue import PEERS, Peer
from benchmarks.contenders.peers.store import PeerStore
from benchmarks.contenders.protocol import Request
from benchmarks.contenders.serving import Call, serve

_TURN_READS = 10


class PeerHandler:
    """Handles requests with a peer's store.

    ``prepare`` rebuilds the threads that calls have appended to, so that all calls find threads of
    the same length.
    """

    def __init__(self, store: PeerStore) -> None:
        self._store = store
        self._lengths: dict[str, int] = {}
        self._scratch: list[str] = []

    async def prepare(self, request: Request) -> None:
        """See ``Handler``. Threads that began empty are removed."""
        for thread_id in self._scratch:
            await self._drop(thread_id)
        self._scratch = [] if request.size else list(request.threads)
        fine = range(request.size, request.size + request.slack + 1)
        wrong = [each for each in request.threads if self._lengths.get(each, -1) not in fine]
        for thread_id in wrong:
            await self._drop(thread_id)
            await self._fill(thread_id, request.size)
        # Only one: to read hundreds takes some peers half a minute.
        for thread_id in wrong[:1]:
            await self._check(thread_id)

    async def _fill(self, thread_id: str, length: int) -> None:
        ids = (f"{thread_id}-{i}" for i in range(length))
        await self._store.fill(thread_id, self._store.build(ids))
        self._lengths[thread_id] = length

    async def _drop(self, thread_id: str) -> None:
        if self._lengths.get(thread_id):
            # The calls must really have saved.
            await self._check(thread_id)
            await self._store.drop(thread_id)
            del self._lengths[thread_id]

    async def _check(self, thread_id: str) -> None:
        """Raise ValueError unless a thread holds all messages that were added to it."""
        found = await self._store.last(thread_id, 0)
        if found != self._lengths[thread_id]:
            raise ValueError(f"{found} messages in {thread_id}, not {self._lengths[thread_id]}")

    def call(self, request: Request, index: int) -> Call:
        """See ``Handler``."""
        thread_id = request.threads[index % len(request.threads)]
        if request.call == "get":
            return partial(self._store.get, thread_id)
        if request.call == "last":
            return partial(self._store.last, thread_id, request.size)
        first = index * request.size
        messages = self._store.build(f"{request.tag}-{first + i}" for i in range(request.size))
        self._lengths[thread_id] += request.size
        calls = {"save": self._save, "turn": self._turn}
        return partial(calls[request.call], thread_id, messages, request.size)

    async def _save(self, thread_id: str, messages: Any, count: int) -> int:
        await self._store.append(thread_id, messages)
        return count

    async def _turn(self, thread_id: str, messages: Any, count: int) -> int:
        if self._store.reads_thread:
            await self._store.get(thread_id)
        await self._store.last(thread_id, _TURN_READS)
        return await self._save(thread_id, messages, count)

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()


def _versions(peer: Peer) -> str:
    """Return the versions of the peer and of the packages it runs on."""
    names = [requirement.partition("==")[0] for requirement in peer.requirements]
    of_all = {name.partition("[")[0] for name in names} - {"msgspec", peer.name}
    others = [f"{name} {version(name)}" for name in sorted(of_all)]
    return f"{version(peer.name)} ({', '.join(['python ' + platform.python_version(), *others])})"


def main(name: str, loop: str, url: str) -> None:
    """Serve requests until stdin ends."""
    peer = next(peer for peer in PEERS if peer.name == name)
    module: Any = import_module(f"benchmarks.contenders.peers.{name.replace('-', '_')}")

    async def connect() -> PeerHandler:
        store: PeerStore = await module.connect(url)
        await store.clear()
        return PeerHandler(store)

    serve(connect, loop, {name: _versions(peer)})


if __name__ == "__main__":
    main(*sys.argv[1:])
