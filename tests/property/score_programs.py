"""Programs of the scores domain: few ids, which are scorers, runs, entities and spans at once."""

from datetime import timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from redis_store import Score
from tests.property.program_calls import (
    BAD_IDS,
    BAD_PAGES,
    Call,
    Calls,
    Drawn,
    call,
    listing,
    one_of,
    spoiled,
)
from tests.support.records.builders import T0, at

ids = st.sampled_from(["s", "s*", "t", "é", "😀", "\uffee"])
# With the separators that tell a span's two ids apart in a key.
names = st.sampled_from(["a", "a:a", "0:{a}"])
owners: Drawn = st.sampled_from(["a", "", "[a]"])
moments = st.sampled_from([at(us) for us in (0, 1, 1000)])
elsewhere = moments.map(lambda moment: moment.astimezone(timezone(timedelta(hours=5))))
values: Drawn = st.sampled_from(
    [None, 0, False, "", [], {}, 2**70, '{"a":1}', {"b": [None], "a": 1}]
)

_optional: dict[str, Drawn] = {
    "entity_type": owners,
    "organization_id": owners,
    "project_id": owners,
    "trace_id": names,
    "span_id": names,
    **dict.fromkeys(("input", "metadata", "structured_output"), values),
    **dict.fromkeys(("reason", "resource_id", "analyze_prompt"), st.none() | owners),
}
_required: dict[str, Drawn] = {
    "id": ids,
    "scorer_id": names,
    "run_id": names,
    "entity_id": names,
    "score": st.sampled_from([0.0, -0.5, 1e300, 1.0]),
    "scorer": st.sampled_from([{}, {"name": "x"}]),
    "entity": st.sampled_from([{}, {"id": 1}]),
    "source": st.sampled_from(["LIVE", "TEST"]),
    "output": values,
    "created_at": moments | elsewhere,
    "updated_at": moments | elsewhere,
}
_fields: Drawn = st.fixed_dictionaries(_required, optional=_optional)
scores: st.SearchStrategy[Score] = _fields.map(lambda fields: Score(**fields))

_filters: dict[str, Drawn] = {"organization_id": owners, "project_id": owners}
_of_entity = _filters | {"entity_type": owners}
_of_scorer = _of_entity | {"entity_id": names, "source": st.sampled_from(["LIVE", "TEST", "live"])}
_save = call("save_score", score=scores)
_by_scorer = listing("list_scores_by_scorer_id", {"scorer_id": names}, **_of_scorer)
_by_run = listing("list_scores_by_run_id", {"run_id": names}, **_filters)
_by_entity = listing("list_scores_by_entity_id", {"entity_id": names}, **_of_entity)
_by_span = listing("list_scores_by_span", {"trace_id": names, "span_id": names}, **_filters)

NAN = float("nan")
_no_texts = [value for value in BAD_IDS if value is not None]
_bad_dates: list[Any] = [T0.replace(tzinfo=None), "2026-01-15", T0.replace(year=2256)]
_bad_fields: dict[str, list[Any]] = {
    **dict.fromkeys(("id", "scorer_id", "run_id", "entity_id"), BAD_IDS),
    **dict.fromkeys(("trace_id", "span_id"), _no_texts),
    "score": [NAN, float("inf"), True, "1", None, 10**400],
    "source": ["live", "", None],
    "scorer": [None, "x", [], {"a": NAN}],
    "entity": [None, "x", [], {"a": object}],
    "structured_output": [NAN, object, [[NAN]]],
    "organization_id": [7, b"o"],
    "created_at": _bad_dates,
    "updated_at": _bad_dates,
}


def _spoil(score: Score, fault: tuple[str, Any]) -> Call:
    name, value = fault
    return Call("save_score", {"score": replace(score, **{name: value})}, wrong=True)


_faults = [(name, value) for name, bad in _bad_fields.items() for value in bad]
_wrong: list[tuple[int, Calls]] = [
    (4, st.builds(_spoil, scores, st.sampled_from(_faults))),
    (1, spoiled(_save, score=[None, {}, object])),
    (1, spoiled(call("get_score_by_id", id=ids), id=BAD_IDS)),
    (1, spoiled(_by_scorer, **BAD_PAGES, scorer_id=BAD_IDS)),
    (1, spoiled(_by_run, **BAD_PAGES, run_id=BAD_IDS)),
    (1, spoiled(_by_entity, **BAD_PAGES, entity_id=BAD_IDS)),
    (1, spoiled(_by_span, **BAD_PAGES, trace_id=BAD_IDS, span_id=BAD_IDS)),
]
_calls: list[tuple[int, Calls]] = [
    (8, _save),
    (1, call("get_score_by_id", id=ids)),
    *((2, each) for each in (_by_scorer, _by_run, _by_entity, _by_span)),
    (1, call("dangerously_clear_all")),
    (2, one_of(_wrong)),
]
programs = st.lists(st.lists(one_of(_calls), min_size=1, max_size=8), min_size=1, max_size=5).map(
    lambda parts: sum(parts, list[Call]())
)
