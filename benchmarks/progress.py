"""What a run is at, on stderr."""

import sys
from time import monotonic


class Progress:
    """Shows one line that changes; where stderr is no terminal, a line per phase."""

    def __init__(self) -> None:
        self._started = monotonic()
        self._phase = ""

    def __call__(self, doing: str) -> None:
        """Show what comes next: ``phase: step``."""
        elapsed = monotonic() - self._started
        phase = doing.partition(":")[0]
        if sys.stderr.isatty():
            print(f"\r\x1b[K{elapsed:4.0f} s  {doing}", end="", file=sys.stderr, flush=True)
        elif phase != self._phase:
            print(f"{elapsed:4.0f} s  {phase}", file=sys.stderr, flush=True)
        self._phase = phase

    def end(self) -> None:
        """Leave the line."""
        self(f"done after {monotonic() - self._started:.0f} s")
        if sys.stderr.isatty():
            print(file=sys.stderr)
