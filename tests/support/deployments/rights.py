"""The rights that the README documents, and users who have these and no others."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

from tests.support.deployments.servers import Server
from tests.support.wire.raw import Raw

README = (Path(__file__).parents[3] / "README.md").read_text()
PASSWORD = token_hex(8)


def _documented() -> dict[str, str]:
    """The README's table of rights, by what they are for."""
    _, _, table = README.partition("| for | rights |\n|---|---|\n")
    rows = re.findall(r"^\| (.+?) \| `(.+)` \|$", table.partition("\n\n")[0], re.MULTILINE)
    return {name: rights.replace("\\|", "|") for name, rights in rows}


RIGHTS = _documented()


def user_with(*names: str) -> str:
    """The user ``least``, with the rights of these rows."""
    return " ".join([f"least on >{PASSWORD}", *(RIGHTS[name] for name in names)])


@asynccontextmanager
async def server_with(binary: str, workdir: Path, *names: str) -> AsyncGenerator[Server]:
    """A server with the user who has the rights of these rows."""
    async with await Server.start(binary, tcp=True, workdir=workdir) as server:
        async with Raw(server.url) as raw:
            await raw("ACL", "SETUSER", *user_with(*names).split())
        yield server


def login_url(server: Server) -> str:
    """The URL of that user."""
    return f"redis://least:{PASSWORD}@127.0.0.1:{server.port}"
