"""Install the peers: ``make bench-peers``. One that fails does not stop the others."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.contenders.peers.catalogue import MASTRA, PEERS, ROOT, Peer

# Most of an installation is one process that unpacks and compiles: more would only compete.
_AT_ONCE: Final = 2
_TAIL: Final = 5


def _install(peer: Peer) -> str | None:
    """Install a peer unless it is installed; return why it failed, or ``None``."""
    if peer.is_installed:
        return None
    shutil.rmtree(peer.directory, ignore_errors=True)
    peer.directory.mkdir(parents=True)
    for command in _npm(peer) if peer == MASTRA else _pip(peer):
        try:
            # The commands are this module's own.
            subprocess.run(  # noqa: S603
                command, cwd=peer.directory, check=True, capture_output=True, text=True
            )
        except OSError as error:
            return str(error)
        except subprocess.CalledProcessError as error:
            return "\n".join(f"{error.stdout}{error.stderr}".splitlines()[-_TAIL:])
    peer.note_installed()
    return None


def _pip(peer: Peer) -> list[list[str]]:
    pip = [str(peer.python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    return [[sys.executable, "-m", "venv", "."], [*pip, "install", *peer.requirements]]


def _npm(peer: Peer) -> list[list[str]]:
    # No lock file, as it would record where packages were downloaded from.
    quiet = ["--loglevel=error", "--no-package-lock", "--no-audit", "--no-fund"]
    (peer.directory / "package.json").write_text('{"private": true}')
    return [["npm", "install", *quiet, *peer.requirements]]


def _report(peer: Peer) -> bool:
    why = _install(peer)
    outcome = "installed" if why is None else f"failed\n{why}"
    print(f"{peer.requirements[0]}: {outcome}", flush=True)
    return why is None


def main() -> None:
    """Install all, and exit with 1 if one failed."""
    print(f"Installing to {ROOT} ...", flush=True)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        done = list(pool.map(_report, (MASTRA, *PEERS)))
    sys.exit(not all(done))


if __name__ == "__main__":
    main()
