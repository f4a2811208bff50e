"""An evaluation run: score many answers at once, page through the scores, correct one.

python examples/evaluation_run.py                      on a private server
python examples/evaluation_run.py redis://localhost    on a shared one; again adds nothing

The scorers are plain functions: no network is needed. A score's id says what it is about, so a run
that was cut off can be repeated: each score is replaced, none is doubled.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from statistics import fmean

from msgspec.structs import replace

from redis_store import Page, RedisStore, Score

RUN = "evaluation-1"
AGENTS = ("terse", "chatty")
QUESTIONS = range(1, 21)  # question n asks for 7 x n


def answer(agent: str, question: int) -> str:
    """Stand in for an agent; both are wrong at times."""
    slips = question % (4 if agent == "terse" else 10) == 0
    value = 7 * question + slips
    return str(value) if agent == "terse" else f"Great question! The answer is {value}, I believe."


def correct(question: int, said: str) -> float:
    """Score 1 for the right number."""
    return float(str(7 * question) in said)


def brief(_: int, said: str) -> float:
    """Score 1 for up to 10 characters, less for more."""
    return min(1.0, 10 / len(said))


SCORERS: dict[str, Callable[[int, str], float]] = {"correct": correct, "brief": brief}


def judge(scorer: str, agent: str, question: int) -> Score:
    said = answer(agent, question)
    return Score(
        id=f"{RUN}/{scorer}/{agent}/{question}",
        run_id=RUN,
        scorer_id=scorer,
        entity_id=agent,
        entity_type="AGENT",
        scorer={"id": scorer},
        entity={"id": agent},
        source="TEST",
        input=f"7 x {question}",
        output=said,
        score=SCORERS[scorer](question, said),
    )


async def paged(fetch: Callable[[int], Awaitable[Page[Score]]]) -> AsyncIterator[Score]:
    """Go through all pages of a listing."""
    number, more = 0, True
    while more:
        page = await fetch(number)
        for score in page:
            yield score
        number, more = number + 1, page.has_more


async def mean(store: RedisStore, scorer: str, agent: str | None = None) -> float:
    """Average this run's scores of one scorer, of all agents or of one."""
    listed = paged(
        lambda number: store.scores.list_scores_by_scorer_id(
            scorer, entity_id=agent, page=number, per_page=15
        )
    )
    return fmean([score.score async for score in listed if score.run_id == RUN])


async def show_means(store: RedisStore) -> None:
    print("    scorer  " + "".join(f"{agent:>8}" for agent in (*AGENTS, "all")))
    for scorer in SCORERS:
        means = [await mean(store, scorer, agent) for agent in (*AGENTS, None)]
        print(f"    {scorer:8}" + "".join(f"{value:8.3f}" for value in means))


async def regrade(store: RedisStore) -> None:
    """Save a score under the id that it already has."""
    wrong = judge("correct", "terse", 4)
    fair = replace(wrong, score=1.0, reason="right by mistake", updated_at=datetime.now(UTC))
    saved = await store.scores.save_score(fair)
    total = (await store.scores.list_scores_by_run_id(RUN, per_page=1)).total
    print(f"\n3. {saved.id!r} saved again, now {saved.score}: still {total} scores.")


async def main() -> None:
    url = sys.argv[1] if sys.argv[1:] else "embedded://"
    async with RedisStore(url, key_prefix="example:") as store:
        cases = [(s, agent, number) for s in SCORERS for agent in AGENTS for number in QUESTIONS]
        await asyncio.gather(*(store.scores.save_score(judge(*case)) for case in cases))
        print(f"1. {len(cases)} scores saved at once.")

        run = paged(lambda n: store.scores.list_scores_by_run_id(RUN, page=n, per_page=30))
        ids = [score.id async for score in run]
        print(
            f"\n2. The run has {len(ids)}, read in pages of 30, {len(set(ids))} different. Means:"
        )
        await show_means(store)

        await regrade(store)
        await show_means(store)


if __name__ == "__main__":
    asyncio.run(main())
