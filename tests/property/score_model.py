"""The scores domain in a dict: every score by its id, sorted and filtered when asked."""

from datetime import UTC
from typing import Any

from msgspec.structs import replace

from redis_store import Page, Score
from tests.property.paging import cut
from tests.property.program_calls import Call


class ScoreModel:
    """What must be stored now."""

    def __init__(self) -> None:
        self.scores: dict[str, Score] = {}

    def save_score(self, score: Score) -> Score:
        known = self.scores.get(score.id, score)
        self.scores[score.id] = replace(
            score,
            created_at=known.created_at.astimezone(UTC),
            updated_at=score.updated_at.astimezone(UTC),
        )
        return self.scores[score.id]

    def get_score_by_id(self, id: str) -> Score | None:
        return self.scores.get(id)

    def list_scores_by_scorer_id(self, scorer_id: str, **options: Any) -> Page[Score]:
        return self._listed(scorer_id=scorer_id, **options)

    def list_scores_by_run_id(self, run_id: str, **options: Any) -> Page[Score]:
        return self._listed(run_id=run_id, **options)

    def list_scores_by_entity_id(self, entity_id: str, **options: Any) -> Page[Score]:
        return self._listed(entity_id=entity_id, **options)

    def list_scores_by_span(self, trace_id: str, span_id: str, **options: Any) -> Page[Score]:
        return self._listed(trace_id=trace_id, span_id=span_id, **options)

    def dangerously_clear_all(self) -> None:
        self.scores.clear()

    def views(self) -> list[Call]:
        """Ask for each score, and for all of each scorer, run, entity and span."""
        scores = self.scores.values()
        named = {
            (name, getattr(score, name))
            for score in scores
            for name in ("scorer_id", "run_id", "entity_id")
        }
        spans = {(score.trace_id, score.span_id) for score in scores}
        return [
            *(Call("get_score_by_id", {"id": id_}) for id_ in self.scores),
            *(
                Call(f"list_scores_by_{name}", {name: value, "per_page": None})
                for name, value in named
            ),
            *(
                Call("list_scores_by_span", {"trace_id": trace, "span_id": span, "per_page": None})
                for trace, span in spans
                if trace and span
            ),
        ]

    def _listed(
        self, *, page: int = 0, per_page: int | None = 20, **filters: str | None
    ) -> Page[Score]:
        wanted = {name: value for name, value in filters.items() if value is not None}
        found = sorted(
            (
                score
                for score in self.scores.values()
                if all(getattr(score, name) == value for name, value in wanted.items())
            ),
            key=lambda score: (score.created_at, score.id),
            reverse=True,
        )
        return cut(found, page, per_page)
