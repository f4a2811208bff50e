"""Records on the web: the JSON that Mastra's servers send."""

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from redis_store import (
    ClonedThread,
    CopiedThread,
    InvalidArgumentError,
    Page,
    Resource,
    WorkflowRun,
)
from tests.support.records.builders import T0, at, message, thread
from tests.support.records.scores import score

DATE = "2026-01-15T09:30:00Z"
DATES = {"createdAt": DATE, "updatedAt": DATE}
THREAD: dict[str, Any] = {"id": "t", "resourceId": "u", "metadata": {}, **DATES}
MESSAGE: dict[str, Any] = {
    "id": "m",
    "threadId": "t",
    "resourceId": "u",
    "role": "user",
    "type": "v2",
    "createdAt": "2026-01-15T09:30:00.000005Z",
    "content": {"format": 2, "parts": [{"type": "text", "text": "m"}], "content": "m"},
}
RUN = WorkflowRun(
    workflow_name="w", run_id="r", snapshot={"status": "x"}, created_at=T0, updated_at=T0
)
RUN_FORM = {"workflowName": "w", "runId": "r", "snapshot": {"status": "x"}, **DATES}

FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a thread": (thread(), THREAD),
    "a thread with a title": (
        thread(title="", metadata={"a_b": None}),
        THREAD | {"title": "", "metadata": {"a_b": None}},
    ),
    "a message": (message("m", 5), MESSAGE),
    "a message without content": (
        replace(message("m", 5), content=None),
        MESSAGE | {"content": None},
    ),
    "a resource": (
        Resource(id="u", working_memory="w", metadata={"a": [1]}, created_at=T0, updated_at=T0),
        {"id": "u", "workingMemory": "w", "metadata": {"a": [1]}, **DATES},
    ),
    "a resource without memory": (
        Resource(id="u", created_at=T0, updated_at=T0),
        {"id": "u", "metadata": {}, **DATES},
    ),
    "a run": (RUN, RUN_FORM),
    "a run with an owner": (replace(RUN, resource_id="u"), RUN_FORM | {"resourceId": "u"}),
    "a score": (
        score("s", trace_id="t"),
        {
            "id": "s",
            "scorerId": "scorer",
            "entityId": "entity",
            "runId": "run",
            "score": 0.5,
            "scorer": {"name": "x"},
            "entity": {"id": "agent"},
            "source": "LIVE",
            "output": {"a": 1},
            "traceId": "t",
            **DATES,
        },
    ),
    "a clone": (
        ClonedThread(thread=thread(), messages=[message("m", 5)], message_id_map={"a_b": "m"}),
        {"thread": THREAD, "clonedMessages": [MESSAGE], "messageIdMap": {"a_b": "m"}},
    ),
    "a copy": (
        CopiedThread(thread=thread(), message_id_map={}),
        {"thread": THREAD, "messageIdMap": {}},
    ),
    "a page": (
        Page(items=[message("m", 5)], total=3, page=1, per_page=1, has_more=True),
        {"items": [MESSAGE], "total": 3, "page": 1, "perPage": 1, "hasMore": True},
    ),
    "a page with a cursor": (
        Page[Any](items=[], total=3, page=0, per_page=1, has_more=True, next_cursor="c"),
        {"items": [], "total": 3, "page": 0, "perPage": 1, "hasMore": True, "nextCursor": "c"},
    ),
    "an empty page of all": (
        Page[Any](items=[], total=None, page=0, per_page=None, has_more=False),
        {"items": [], "total": None, "page": 0, "perPage": False, "hasMore": False},
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_record_becomes_the_json_that_mastra_has(name: str) -> None:
    record, form = FORMS[name]
    assert record.to_dict() == form
    assert json.loads(record.to_json()) == form


def test_a_page_calls_its_items_as_asked() -> None:
    page = Page(items=[thread()], total=1, page=0, per_page=9, has_more=False)
    assert page.to_dict("threads")["threads"] == [THREAD]
    assert json.loads(page.to_json("threads")) == page.to_dict("threads")


def test_dates_are_in_utc() -> None:
    east = T0.astimezone(timezone(timedelta(hours=2)))
    assert thread(created_at=east).to_dict() == THREAD
    with pytest.raises(InvalidArgumentError, match="created_at"):
        thread(created_at=T0.replace(tzinfo=None)).to_dict()


def test_a_form_is_a_copy() -> None:
    record = message("m", 5)
    record.to_dict()["content"]["parts"].clear()
    assert record.text == "m"


def test_what_has_no_json_form_is_refused_with_its_place() -> None:
    wrong = replace(message("m"), content={"parts": [{"data": b"x"}]})
    with pytest.raises(InvalidArgumentError, match=r"content\.parts\[0\]\.data"):
        wrong.to_json()


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert replace(message("m"), content="x\ud83d").to_json().endswith('"content":"x\\ud83d"}')
    assert "é😀" in replace(message("m", 1), content="é😀").to_json()
    assert at(5) == FORMS["a message"][0].created_at
