"""Short ways to build and save scores, and to say which ones came back."""

from collections.abc import Iterable
from typing import Any

from redis_store import RedisStore, Score
from tests.support.records.builders import T0, at


def score(id: str = "s", us: int = 0, **fields: Any) -> Score:
    """Build a score that was created so many microseconds after T0."""
    known: dict[str, Any] = {
        "scorer_id": "scorer",
        "entity_id": "entity",
        "run_id": "run",
        "score": 0.5,
        "scorer": {"name": "x"},
        "entity": {"id": "agent"},
        "source": "LIVE",
        "output": {"a": 1},
        "created_at": at(us),
        "updated_at": T0,
    }
    return Score(id=id, **(known | fields))


async def saved(store: RedisStore, *scores: Score) -> None:
    """Save scores, in this order."""
    for each in scores:
        await store.scores.save_score(each)


def ids(scores: Iterable[Score]) -> list[str]:
    """Their ids, in order."""
    return [each.id for each in scores]
