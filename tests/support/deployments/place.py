"""Where the data of a test lies."""

from typing import Any, NamedTuple

from redis_store import RedisStore
from redis_store._engine.keys import Keys


class Place(NamedTuple):
    """Where a test's data lies: any number of stores can be opened on it."""

    url: str
    keys: Keys

    def store(self, **options: Any) -> RedisStore:
        """Build a further store on the same data."""
        prefix, hash_tags = self.keys.prefix, self.keys.hash_tags
        return RedisStore(self.url, key_prefix=prefix, hash_tags=hash_tags, **options)
