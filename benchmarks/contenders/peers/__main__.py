"""Install the peers: ``make bench-peers``. One that fails does not stop the others."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.contenders.peers.catalogue import FRAMEWORKS, MASTRA, PEERS, ROOT, Environment

# Most of an installation is one process that unpacks and compiles: more would only compete.
_AT_ONCE: Final = 2
_TAIL: Final = 5


def _install(environment: Environment) -> str | None:
    """Install an environment unless it is installed; return why it failed, or ``None``."""
    if environment.is_installed:
        return None
    shutil.rmtree(environment.directory, ignore_errors=True)
    environment.directory.mkdir(parents=True)
    for command in _npm(environment) if environment == MASTRA else _pip(environment):
        try:
            # The commands are this module's own.
            subprocess.run(  # noqa: S603
                command, cwd=environment.directory, check=True, capture_output=True, text=True
            )
        except OSError as error:
            return str(error)
        except subprocess.CalledProcessError as error:
            return "\n".join(f"{error.stdout}{error.stderr}".splitlines()[-_TAIL:])
    environment.note_installed()
    return None


def _pip(environment: Environment) -> list[list[str]]:
    pip = [str(environment.python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    return [[sys.executable, "-m", "venv", "."], [*pip, "install", *environment.requirements]]


def _npm(environment: Environment) -> list[list[str]]:
    # No lock file, as it would record where packages were downloaded from.
    quiet = ["--loglevel=error", "--no-package-lock", "--no-audit", "--no-fund"]
    (environment.directory / "package.json").write_text('{"private": true}')
    return [["npm", "install", *quiet, *environment.requirements]]


def _report(environment: Environment) -> bool:
    why = _install(environment)
    outcome = "installed" if why is None else f"failed\n{why}"
    print(f"{environment.requirements[0]}: {outcome}", flush=True)
    return why is None


def main() -> None:
    """Install all, and exit with 1 if one failed."""
    print(f"Installing to {ROOT} ...", flush=True)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = list(pool.map(_report, (MASTRA, *PEERS, *FRAMEWORKS)))
    sys.exit(not all(done))


if __name__ == "__main__":
    main()
