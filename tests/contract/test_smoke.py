from redis_store import Message, RedisStore, Thread


async def test_a_saved_message_is_listed(store: RedisStore) -> None:
    await store.memory.save_thread(Thread(id="t", resource_id="u"))
    message = Message.from_text("user", "hi", thread_id="t", resource_id="u")
    await store.memory.save_messages([message])
    assert (await store.memory.list_messages("t")).items == [message]
