"""JSON values for tests: any of them, and whether two are the same."""

from typing import Any

from hypothesis import strategies as st

# Surrogates have no JSON form in UTF-8.
_texts = st.text(st.characters(exclude_categories=["Cs"]))
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts
)
json_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


def same(left: Any, right: Any) -> bool:
    """Equal to the last digit, of the same types, with keys in the same order."""
    return repr(left) == repr(right)
