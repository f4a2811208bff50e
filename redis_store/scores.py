"""Evaluation scores, listed by scorer, run, entity or span."""

from collections.abc import Callable
from sys import float_info
from typing import Any

from msgspec.structs import replace

from redis_store import json_values
from redis_store._engine import clock, codecs, prepared_values
from redis_store._engine.arguments import (
    check_choice,
    check_dates,
    check_dict,
    check_id,
    check_instance,
    check_paging,
    check_text,
)
from redis_store._engine.database import Database
from redis_store._engine.index_pages import Index, Listing, Query
from redis_store._engine.indexes import SCORES, span
from redis_store._engine.operations import Repository, operation, query, unbounded
from redis_store._engine.transaction import Transaction, transact
from redis_store.errors import InvalidArgumentError
from redis_store.models import Score
from redis_store.pages import Page, Paging

_TEXTS = frozenset(name for name, kind in Score.__annotations__.items() if kind == str | None)
_VALUES = [n for n, kind in Score.__annotations__.items() if kind in (Any, dict[str, Any])]


class ScoreStore(Repository):
    """Scores that scorers gave to runs of agents and workflows.

    Listings are sorted by ``created_at``, newest first, ties by id. Without further filters a page
    costs two round trips and O(log n + page); with filters, every score of the scorer (run, entity,
    span) is read, 500 at a time.
    """

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self._scores: Listing[Score] = Listing(db, SCORES)

    @operation
    async def save_score(self, score: Score) -> Score:
        """Store a score, new or not; a known one keeps its ``created_at``.

        One round trip for a new score, two for a known one.

        Raises:
            InvalidArgumentError: The score is not finite, the source is neither ``LIVE`` nor
                ``TEST``, the scorer or the entity is not a dict, or an id is bad. Nothing was
                stored.
        """
        given, score = score, _checked(score)
        await clock.date(self._db, given, score)
        key = self._keys.score(score.id)

        async def attempt(tx: Transaction) -> Score:
            # Assume a new score, the usual case. If there is one, the conflict has its record.
            before = SCORES.read(key, tx.assume(key, None))
            saved = replace(score, created_at=before.created_at) if before else score
            tx.set(key, json_values.encode(saved))
            SCORES.reindex(tx, key, before=before, after=saved)
            return saved

        return await transact(self._db, attempt)

    @query
    async def get_score_by_id(self, id: str) -> Score | None:
        """Read a score, or ``None``. One round trip."""
        check_id("id", id)
        key = self._keys.score(id)
        stored = await self._db.command("GET", key)
        return None if stored is None else codecs.decode_score(key, stored)

    @query
    async def list_scores_by_scorer_id(
        self,
        scorer_id: str,
        *,
        entity_id: str | None = None,
        entity_type: str | None = None,
        source: str | None = None,
        organization_id: str | None = None,
        project_id: str | None = None,
        page: int = 0,
        per_page: int | None = 20,
    ) -> Page[Score]:
        """List the scores of one scorer that match all filters."""
        check_id("scorer_id", scorer_id)
        filters = {
            "entity_id": entity_id,
            "entity_type": entity_type,
            "source": source,
            "organization_id": organization_id,
            "project_id": project_id,
        }
        index = self._index("scorer", scorer_id, lambda score: score.scorer_id == scorer_id)
        return await self._page(check_paging(page, per_page), index, filters)

    @query
    async def list_scores_by_run_id(
        self,
        run_id: str,
        *,
        organization_id: str | None = None,
        project_id: str | None = None,
        page: int = 0,
        per_page: int | None = 20,
    ) -> Page[Score]:
        """List the scores of one run that match all filters."""
        check_id("run_id", run_id)
        filters = {"organization_id": organization_id, "project_id": project_id}
        index = self._index("run", run_id, lambda score: score.run_id == run_id)
        return await self._page(check_paging(page, per_page), index, filters)

    @query
    async def list_scores_by_entity_id(
        self,
        entity_id: str,
        *,
        entity_type: str | None = None,
        organization_id: str | None = None,
        project_id: str | None = None,
        page: int = 0,
        per_page: int | None = 20,
    ) -> Page[Score]:
        """List the scores of one entity that match all filters."""
        check_id("entity_id", entity_id)
        filters = {
            "entity_type": entity_type,
            "organization_id": organization_id,
            "project_id": project_id,
        }
        index = self._index("entity", entity_id, lambda score: score.entity_id == entity_id)
        return await self._page(check_paging(page, per_page), index, filters)

    @query
    async def list_scores_by_span(
        self,
        trace_id: str,
        span_id: str,
        *,
        organization_id: str | None = None,
        project_id: str | None = None,
        page: int = 0,
        per_page: int | None = 20,
    ) -> Page[Score]:
        """List the scores of one span of a trace that match all filters."""
        check_id("trace_id", trace_id)
        check_id("span_id", span_id)
        filters = {"organization_id": organization_id, "project_id": project_id}
        ids = (trace_id, span_id)
        index = self._index("span", span(*ids), lambda s: (s.trace_id, s.span_id) == ids)
        return await self._page(check_paging(page, per_page), index, filters)

    @unbounded
    async def dangerously_clear_all(self) -> None:
        """Remove every score under the store's prefix. Scans the whole keyspace of every node."""
        await self._db.clear(self._keys.score_patterns())

    async def _page(
        self, paging: Paging, index: Index[Score], filters: dict[str, str | None]
    ) -> Page[Score]:
        wanted = {name: value for name, value in filters.items() if value is not None}

        def accepts(score: Score) -> bool:
            return all(getattr(score, name) == value for name, value in wanted.items())

        query = Query[Score]([index], descending=True, accepts=accepts if wanted else None)
        return await self._scores.page(paging, query)

    def _index(self, attribute: str, value: str, lists: Callable[[Score], bool]) -> Index[Score]:
        return Index(self._keys.scores_by(attribute, value), lists)


def _checked(value: object) -> Score:
    score = check_instance("score", value, Score)
    for argument in ("id", "scorer_id", "entity_id", "run_id"):
        check_id(argument, getattr(score, argument))
    for argument in ("trace_id", "span_id"):
        if getattr(score, argument) is not None:
            check_id(argument, getattr(score, argument))
    for argument in _TEXTS:
        check_text(argument, getattr(score, argument))
    _check_number(score.score)
    check_choice("source", score.source, ("LIVE", "TEST"))
    check_dict("scorer", score.scorer)
    check_dict("entity", score.entity)
    return check_dates(_check_values(score))


def _check_values(score: Score) -> Score:
    """Return the score with its JSON values as they will be read."""
    values = {name: getattr(score, name) for name in _VALUES}
    read = {n: prepared_values.prepare("score", v, f".{n}").value for n, v in values.items()}
    return replace(score, **read)


def _check_number(value: object) -> None:
    is_bool = isinstance(value, bool)
    # Not isfinite(): it raises for an int that is larger than any float.
    if is_bool or not isinstance(value, (int, float)) or not abs(value) <= float_info.max:
        raise InvalidArgumentError("score", "must be a finite number", value)
