"""A user needs the rights that the README documents for A2A, and each of them."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("a2a", reason="needs redis-store[frameworks]")

from a2a.types.a2a_pb2 import ListTasksRequest
from a2a.types.a2a_pb2 import TaskPushNotificationConfig as Config

from redis_store import RedisStore, Retention
from redis_store.integrations.a2a import RedisPushNotificationConfigStore, RedisTaskStore
from tests.integrations.a2a.tasks import caller, task
from tests.support.deployments.rights import RIGHTS, login_url, server_with
from tests.support.wire.raw import Raw

A2A = "A2A, with those of integrations"


async def test_the_documented_rights_suffice(server_name: str, binary: str, tmp_path: Path) -> None:
    async with server_with(binary, tmp_path, "every store", "integrations", A2A) as server:
        for hash_tags in (False, True):
            retention, url = Retention(integrations=timedelta(days=1)), login_url(server)
            async with RedisStore(url, hash_tags=hash_tags, retention=retention) as store:
                tasks = RedisTaskStore(store, ttl=timedelta(hours=1))
                configs = RedisPushNotificationConfigStore(store)
                await tasks.save(task("t"), caller())
                await tasks.save(task("t", context_id="d"), caller())
                await configs.set_info("t", Config(), caller())
                assert len((await tasks.list(ListTasksRequest(), caller())).tasks) == 1
                assert len(await configs.get_info_for_dispatch("t")) == 1
                await store.prune()
                assert (await store.verify(repair=True)).ok
                assert (await store.erase_resource("ana")).integrations == {"a2a": 2}
        async with Raw(server.url) as raw:
            needed = set(re.findall(r"\+(\S+)", RIGHTS[A2A]))
            assert needed <= (await raw.commandstats()).keys(), server_name
