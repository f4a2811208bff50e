"""The secondary indexes of threads: kept with every write, trusted by no reader."""

from redis_store.keys import Keys
from redis_store.models import Thread
from redis_store.pages import ThreadOrder, epoch_us
from redis_store.transaction import Transaction

ORDERS: tuple[ThreadOrder, ...] = ("created_at", "updated_at")


def list_thread(tx: Transaction, keys: Keys, thread: Thread, before: Thread | None) -> None:
    """Index a thread; entries under its former owner go."""
    for order_by in ORDERS:
        indexes = keys.thread_indexes(thread.id, thread.resource_id, order_by)
        score_us = epoch_us(getattr(thread, order_by))
        for index in indexes:
            tx.call("ZADD", index, score_us, thread.id)
        if before is not None:
            former = keys.thread_indexes(thread.id, before.resource_id, order_by)
            for index in set(former) - set(indexes):
                tx.call("ZREM", index, thread.id)


def unlist_thread(tx: Transaction, keys: Keys, thread: Thread) -> None:
    """Remove a thread from every index."""
    for order_by in ORDERS:
        for index in keys.thread_indexes(thread.id, thread.resource_id, order_by):
            tx.call("ZREM", index, thread.id)
