"""With hash tags, every command and every script call stays within one cluster slot."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from redis_store._connections.slots import slot_of
from redis_store._engine.keys import Keys
from tests.support.deployments.place import Place
from tests.support.deployments.servers import Server
from tests.support.records.memory_calls import every_call, furnish
from tests.support.wire.monitor import Seen, monitored
from tests.support.wire.raw import Raw


@pytest.mark.parametrize(("t", "other"), [("t", "t2"), ("}", "{"), ("a}b", "{%}")])
async def test_a_call_never_crosses_slots(t: str, other: str, server: Server) -> None:
    """GEN-07: whatever the thread ids, a command or a script call touches keys of one slot."""
    place = Place(server.url, Keys(f"{uuid4().hex}:", hash_tags=True))
    seen: dict[str, list[Seen]] = {}
    async with place.store() as store, monitored(server) as monitor:
        for name, call in every_call(t, other).items():
            await furnish(store.memory, t, other)
            await call(store.memory)
            seen[name] = await monitor.take()
        await store.memory.dangerously_clear_all()
    await _check(place, seen)


async def _check(place: Place, seen: dict[str, list[Seen]]) -> None:
    most = 0
    async with Raw(place.url) as raw:
        names = {each.command[0] for commands in seen.values() for each in commands}
        keys_of = {name: (await raw("COMMAND", "INFO", name))[0][3:6] for name in names}
    for name, commands in seen.items():
        for step in _steps(commands):
            keys = {key.decode() for command in step for key in _keys(command, keys_of)}
            assert len({slot_of(key) for key in keys}) <= 1, (name, keys)
            most = max(most, len(keys))
    assert most > 100, "saving 100 messages was not seen"


def _steps(seen: list[Seen]) -> Iterator[list[list[bytes]]]:
    """Group what a script does with the call of the script."""
    step: list[list[bytes]] = []
    for each in seen:
        if step and not each.by_script:
            yield step
            step = []
        step.append(each.command)
    yield step


def _keys(command: list[bytes], keys_of: dict[bytes, tuple[int, int, int]]) -> list[bytes]:
    """Pick the keys of a command as the server describes it: first, last (0: none) and step."""
    if command[0].upper() in {b"EVAL", b"EVALSHA"}:
        return command[3 : 3 + int(command[2])]
    first, last, step = keys_of[command[0]]
    return command[first : len(command) + last + 1 if last < 0 else last + 1 : step] if last else []
