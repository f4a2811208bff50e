"""Avoided: servers that could not be reached, or did not answer, lately."""

from time import monotonic


class Avoided:
    """Servers to avoid for a while.

    Args:
        seconds: For how long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[object, float] = {}

    def add(self, server: object) -> None:
        """Avoid a server that failed just now."""
        now = monotonic()
        self._until = {each: until for each, until in self._until.items() if until > now}
        self._until[server] = now + self._seconds

    def __contains__(self, server: object) -> bool:
        return server in self._until and self._until[server] > monotonic()
