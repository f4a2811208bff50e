"""Programs of the workflows domain: few runs, few moments, names like parts of keys."""

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from tests.property.program_calls import (
    BAD_IDS,
    BAD_PAGES,
    Call,
    Calls,
    Drawn,
    call,
    listing,
    one_of,
    some,
    spoiled,
)
from tests.property.workflow_model import Seed
from tests.support.records.builders import T0, at

# One of each comes more often than the others, so that runs live through several calls.
workflows = st.sampled_from([*["w"] * 4, "w*", "w:workflow_name:{w}"])
run_ids = st.sampled_from([*["r"] * 4, "?", "r:run_id:}r"])
owners = st.sampled_from(["u", "0:u", "[a-z]:resourceId:u"])
statuses = st.sampled_from(["running", "done", "0:done"])
steps = st.sampled_from([*["step"] * 4, "input", "__proto__", '"é😀'])
moments = st.sampled_from([at(us) for us in (0, 1, 2, 1000)])
# The same moments, as another country says them.
elsewhere = moments.map(lambda moment: moment.astimezone(timezone(timedelta(hours=-9))))
# A clock behind the stored time must move it too: this lies ahead of any test run.
updated = moments | st.just(datetime.max.replace(year=2250, tzinfo=T0.tzinfo))
# More than what is sent and compared whole.
pads = st.sampled_from(["x" * 600, "é😀" * 200, "x" * 599 + ","])

outputs: Drawn = st.lists(
    st.sampled_from([None, None, 0, False, "", 1, 2**70, [1], {"a": 1}]), min_size=1, max_size=3
)
_lists: Drawn = st.fixed_dictionaries({"output": outputs})
results: Drawn = st.one_of(
    _lists,
    _lists,
    st.fixed_dictionaries({"output": outputs}, optional={"status": statuses}),
    st.sampled_from(
        [None, [1], {"output": []}, {"output": None}, {"output": {"a": [None]}}, '{"output":[1]}']
    ),
)
contexts: Drawn = st.dictionaries(steps, results, max_size=2)
objects: Drawn = st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([1, "1", None, {}]))
_fields: dict[str, Drawn] = {
    "status": st.one_of(statuses, statuses, st.sampled_from([None, 7, ["running"], ""])),
    "context": contexts | st.sampled_from([None, [], "text"]),
    "requestContext": objects | st.none(),
    "pad": pads,
    "updatedAt": st.just("2026-01-15T09:30:00.000Z"),
    "a,b": st.sampled_from(["}", '"', 1.5]),
}
snapshots: Drawn = st.fixed_dictionaries({}, optional=_fields)
_others = {name: drawn for name, drawn in _fields.items() if name != "status"}
running: Drawn = st.fixed_dictionaries({"status": statuses}, optional=_others)

named: dict[str, Drawn] = {"workflow_name": workflows, "run_id": run_ids}
_persist = some(
    "persist_workflow_snapshot",
    {**named, "snapshot": running | snapshots},
    resource_id=owners,
    created_at=moments | elsewhere,
    updated_at=updated,
)
_results = some(
    "update_workflow_results",
    {**named, "step_id": steps, "result": results},
    request_context=objects | st.none(),
)
_state = some(
    "update_workflow_state",
    {**named, "state": snapshots},
    expected_status=st.none() | statuses | st.lists(statuses, max_size=2) | st.just([]),
)
_list = listing(
    "list_workflow_runs",
    {},
    workflow_name=workflows,
    resource_id=owners,
    status=statuses,
    from_date=moments,
    to_date=moments | elsewhere,
)
_get = some("get_workflow_run_by_id", {"run_id": run_ids}, workflow_name=workflows)
_elsewhere = {**named, "namespace": st.sampled_from(["workflows", "workflows:x", "*"])}

NO_JSON: list[Any] = [{"a": float("nan")}, {"a": [object]}]
_no_objects: list[Any] = [None, [], "{}", *NO_JSON]
_bad_workflows = [*BAD_IDS, "a:run_id:b", "a:run_id"]
_bad_runs = [*BAD_IDS, "a:resourceId:b", "a:resourceId"]
_bad_dates: list[Any] = [T0.replace(tzinfo=None), "2026-01-15", T0.replace(year=2256)]
_bad_names: dict[str, list[Any]] = {"workflow_name": _bad_workflows, "run_id": _bad_runs}
_bad_optional = [value for value in BAD_IDS if value is not None]
_bad_workflow = [value for value in _bad_workflows if value is not None]

_wrong: list[tuple[int, Calls]] = [
    (1, spoiled(_persist, **_bad_names, namespace=[*BAD_IDS, "a:workflow_name:b"])),
    (1, spoiled(_persist, snapshot=_no_objects, resource_id=_bad_optional)),
    (1, spoiled(_persist, created_at=_bad_dates, updated_at=_bad_dates)),
    (1, spoiled(_results, **_bad_names, step_id=BAD_IDS, result=NO_JSON)),
    (1, spoiled(_results, request_context=[[], "{}", *NO_JSON])),
    (1, spoiled(_state, **_bad_names, state=_no_objects, expected_status=[7, [7], "", ["\ud800"]])),
    (1, spoiled(_get, run_id=_bad_runs, workflow_name=_bad_workflow)),
    (1, spoiled(_list, **BAD_PAGES, workflow_name=_bad_workflow, status=_bad_optional)),
    (1, spoiled(_list, resource_id=_bad_optional, from_date=_bad_dates, to_date=_bad_dates)),
    (1, st.just(Call("list_workflow_runs", {"page": 1, "per_page": None}, wrong=True))),
    (1, spoiled(call("delete_workflow_run_by_id", **named), **_bad_names)),
]
_calls: list[tuple[int, Calls]] = [
    (8, _persist),
    (1, some("persist_workflow_snapshot", {**_elsewhere, "snapshot": running})),
    (5, _results),
    (5, _state),
    (2, call("delete_workflow_run_by_id", **named)),
    (1, call("load_workflow_snapshot", **_elsewhere)),
    (3, _get),
    (8, _list),
    (1, call("dangerously_clear_all")),
    (2, one_of(_wrong)),
]
programs = st.lists(st.lists(one_of(_calls), min_size=1, max_size=8), min_size=1, max_size=5).map(
    lambda parts: sum(parts, list[Call]())
)

# Half a surrogate pair: JavaScript leaves one where it cuts an emoji.
_halves: Drawn = st.fixed_dictionaries({}, optional={**_fields, "half": st.just("\ud83d")})


def _place(seed: Seed) -> tuple[str, str, bool]:
    """One under a suffix, one without: between two suffixes nothing decides."""
    return seed.workflow, seed.run_id, bool(seed.suffix)


seeds = st.lists(
    st.builds(
        Seed, workflows, run_ids, owners | st.none(), st.booleans(), moments, _halves, st.booleans()
    ),
    max_size=4,
    unique_by=_place,
)
