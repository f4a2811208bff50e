"""Progress on stderr."""

import sys
from time import monotonic


class Progress:
    """One line that is overwritten; if stderr is no terminal, a line per phase."""

    def __init__(self) -> None:
        self._started = monotonic()
        self._phase = ""

    def __call__(self, step: str) -> None:
        """Show the next step, as ``phase: step``."""
        elapsed = monotonic() - self._started
        phase = step.partition(":")[0]
        if sys.stderr.isatty():
            print(f"\r\x1b[K{elapsed:4.0f} s  {step}", end="", file=sys.stderr, flush=True)
        elif phase != self._phase:
            print(f"{elapsed:4.0f} s  {phase}", file=sys.stderr, flush=True)
        self._phase = phase

    def end(self) -> None:
        """Show the total time and end the line."""
        self(f"done after {monotonic() - self._started:.0f} s")
        if sys.stderr.isatty():
            print(file=sys.stderr)
