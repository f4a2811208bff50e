"""What programs are made of: calls by name, drawn by hypothesis."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

Drawn = st.SearchStrategy[Any]
Calls = st.SearchStrategy["Call"]


class Call(NamedTuple):
    """A call by its name, for the store and for the model; ``wrong`` is one to be refused."""

    name: str
    arguments: dict[str, Any]
    wrong: bool = False

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{'wrong ' * self.wrong}{self.name}({arguments})"

    @property
    def reads(self) -> bool:
        if "push" in self.name or "create" in self.name:
            return False
        return self.name.startswith(("get", "list_", "load_", "iter_"))


def call(name: str, /, **arguments: Drawn) -> Calls:
    return some(name, arguments)


def some(name: str, /, required: dict[str, Any], **optional: Drawn) -> Calls:
    """A call some of whose arguments are left out at times."""
    arguments: Drawn = st.fixed_dictionaries(required, optional=optional)
    return arguments.map(lambda drawn: Call(name, drawn))


# Few enough records lie on a page for all of these to differ.
pages: Drawn = st.sampled_from(
    [(0, None), (0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (0, 3), (9, 3)]
)


def listing(name: str, /, required: dict[str, Any], **optional: Drawn) -> Calls:
    """A call that lists a page, some of whose filters are left out at times."""
    arguments: Drawn = st.fixed_dictionaries({**required, "pages": pages}, optional=optional)
    return arguments.map(lambda drawn: Call(name, _paged(drawn)))


def _paged(drawn: dict[str, Any]) -> dict[str, Any]:
    arguments = dict(drawn)
    arguments["page"], arguments["per_page"] = arguments.pop("pages")
    return arguments


BAD_PAGES: dict[str, list[Any]] = {"page": [-1, "0", 1.0, True], "per_page": [-1, "1", 1.0, False]}
BAD_IDS: list[Any] = ["", None, 7, b"id", "\ud800", "x" * 1025]


def spoiled(calls: Calls, **bad: list[Any]) -> Calls:
    """A call one of whose arguments is bad."""
    faults = [(argument, value) for argument, values in bad.items() for value in values]
    return st.builds(_spoil, calls, st.sampled_from(faults))


def _spoil(spoiled_call: Call, fault: tuple[str, Any]) -> Call:
    argument, value = fault
    return Call(spoiled_call.name, {**spoiled_call.arguments, argument: value}, wrong=True)


def one_of(kinds: list[tuple[int, Calls]]) -> Calls:
    """Draw a call by weight: ``st.one_of`` would drop what comes twice."""
    choices = [kind for weight, kind in kinds for _ in range(weight)]
    return st.sampled_from(choices).flatmap(lambda kind: kind)
