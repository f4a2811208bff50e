"""The examples run as a reader would run them."""

import re
import subprocess
import sys
from asyncio import create_subprocess_exec, to_thread
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest
from anyio import fail_after
from httpx import AsyncClient, TransportError

from redis_store import RedisStore
from redis_store._engine.keys import Keys
from tests.support.deployments.sentinels import SentinelDeployment
from tests.support.deployments.servers import Server, free_port, server_binaries
from tests.support.deployments.variants import FIRST, Deployments, Variant
from tests.support.schedules.waiting import until
from tests.support.wire.raw import Raw, connect_raw

EXAMPLES = Path(__file__).parents[1] / "examples"


# As Python has it by default.
QUIET = "ignore::ResourceWarning"


def run(name: str, *arguments: str, warnings: str = "error") -> str:
    command = [sys.executable, "-W", warnings, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


STEPS = ["reserve", "charge", "ticket", "mail"]


class Runner:
    """A process of the workflow example, and every line that it has said."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def says(self, what: str) -> str:
        """Wait for a line that starts so, and return the rest of it."""
        with fail_after(20):
            while line := await self._line():
                if line.startswith(what):
                    return line.removeprefix(what)
        raise AssertionError(f"never said {what!r}, but {self.said}")

    async def end(self) -> int:
        """Wait for its end, and return the exit code."""
        with fail_after(20):
            while await self._line():
                pass
            return await self.process.wait()

    async def _line(self) -> str:
        """Return the next line, or an empty string at the end."""
        assert self.process.stdout is not None
        line = (await self.process.stdout.readline()).decode().strip()
        self.said += [line] if line else []
        return line


async def started(name: str, *arguments: str) -> Runner:
    command = "-u", "-W", "error", str(EXAMPLES / name), *arguments
    return Runner(await create_subprocess_exec(sys.executable, *command, stdout=PIPE))


class Runners(list[Runner]):
    """The processes that a test starts on one server."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def start(self, *arguments: str) -> Runner:
        self.append(await started("resumable_workflow.py", self._url, *arguments))
        return self[-1]


@pytest.fixture
async def shared(server: Server) -> AsyncIterator[RedisStore]:
    """The store that the examples open on a shared server, emptied afterwards."""
    async with RedisStore(server.url, key_prefix="example:") as store, Raw(server.url) as raw:
        yield store
        await store.workflows.dangerously_clear_all()
        await store.scores.dangerously_clear_all()
        assert await raw.keys("example:") == []
        for marker in await raw("KEYS", "example:*"):
            await raw("DEL", marker)


@pytest.fixture
async def runners(server: Server, shared: RedisStore) -> AsyncIterator[Runners]:
    del shared  # it is emptied when the processes are gone
    started = Runners(server.url)
    yield started
    for runner in started:
        with suppress(ProcessLookupError):
            runner.process.kill()
        await runner.end()


def steps(verb: str, said: Iterable[str]) -> list[str]:
    return [line.removeprefix(f"{verb} ") for line in said if line.startswith(f"{verb} ")]


def test_the_quickstart_remembers_across_two_servers() -> None:
    output = run("quickstart.py")
    assert "The newest 10 of 20" in output
    recalled = output[output.index("6. ") :]
    assert "I do not eat meat" in recalled
    assert "Welcome, Ana" in recalled
    assert "'- vegetarian\\n'" in recalled
    assert "['Lisbon']" in recalled


def test_the_chat_agent_remembers_across_two_runs(tmp_path: Path) -> None:
    memory = str(tmp_path / "memory")
    assert "agent: You have not told me." in run("chat_agent.py", memory, "What is my name?")
    run("chat_agent.py", memory, "My name is Ana")
    output = run("chat_agent.py", memory, "What is my name?", "And how often did I ask?")
    assert "agent: You are Ana." in output
    assert "agent: I remember 4 of your messages." in output


def test_an_openai_agent_remembers_across_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("agents")
    memory = str(tmp_path / "memory")
    asked = run("openai_agent.py", memory, "What is my name?", "My name is Ana")
    assert "agent: You have not told me." in asked
    output = run("openai_agent.py", memory, "What is my name?")
    assert "agent: You are Ana." in output
    assert "chat of user-1 has 6 messages" in output


def test_an_adk_agent_remembers_across_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("google.adk")
    memory = str(tmp_path / "memory")
    asked = run("google_adk_agent.py", memory, "What is my name?", "My name is Ana")
    assert "agent: You have not told me." in asked
    output = run("google_adk_agent.py", memory, "What is my name?")
    assert "agent: You are Ana." in output
    assert "known of user-1: {'name': 'Ana'}" in output


def test_a_claude_session_goes_on_in_another_process(tmp_path: Path) -> None:
    pytest.importorskip("claude_agent_sdk")
    memory = str(tmp_path / "memory")
    asked = run("claude_sessions.py", memory, "What is my name?", "My name is Ana")
    assert "agent: You have not told me." in asked
    output = run("claude_sessions.py", memory, "What is my name?")
    assert "agent: You are Ana." in output
    assert "session of user-1: What is my name?" in output


def test_a_pydantic_ai_agent_remembers_across_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("pydantic_ai")
    memory = str(tmp_path / "memory")
    asked = run("pydantic_ai_agent.py", memory, "What is my name?", "My name is Ana")
    assert "agent: You have not told me." in asked
    output = run("pydantic_ai_agent.py", memory, "What is my name?")
    assert "agent: You are Ana." in output
    assert "chat-1 of user-1: 3 requests" in output


def test_an_agent_framework_agent_remembers_across_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("agent_framework")
    memory = str(tmp_path / "memory")
    asked = run("agent_framework_agent.py", memory, "What is my name?", "My name is Ana")
    assert "agent: You have not told me." in asked
    output = run("agent_framework_agent.py", memory, "What is my name?")
    assert "agent: You are Ana." in output
    assert "history of user-1: 6 messages" in output


def test_a_strands_agent_remembers_across_two_processes(tmp_path: Path) -> None:
    pytest.importorskip("strands")
    memory = str(tmp_path / "memory")
    # Strands closes loops without their connections, as asyncio.run does.
    asked = run("strands_agent.py", memory, "What is my name?", "My name is Ana", warnings=QUIET)
    assert "agent: You have not told me." in asked
    output = run("strands_agent.py", memory, "What is my name?", warnings=QUIET)
    assert "agent: You are Ana." in output
    assert "it remembers 6 messages" in output


def test_an_a2a_agents_tasks_outlive_its_process(tmp_path: Path) -> None:
    pytest.importorskip("a2a")
    run("a2a_agent.py", str(tmp_path / "tasks"), "Book a table")
    output = run("a2a_agent.py", str(tmp_path / "tasks"), "Book a train")
    assert output.splitlines() == [
        "done: Book a train",
        "done: Book a table",
        "2 tasks of conversation-1",
    ]


def test_an_mcp_client_resumes_with_another_process() -> None:
    pytest.importorskip("mcp")
    assert run("mcp_server.py").splitlines() == [
        "the first process sent 3 events; the client got one",
        "again: {'progress': 50}",
        "again: {'progress': 75}",
        "session: {'user': 'ana'}",
    ]


def test_an_agent_on_a_models_sdk_remembers_across_two_runs(tmp_path: Path) -> None:
    memory = str(tmp_path / "memory")
    asked = run("memory_agent.py", memory, "monday", "What is my name?", "My name is Ana")
    assert "agent: You have not told me." in asked
    assert "agent: Nice to meet you!" in asked
    output = run("memory_agent.py", memory, "tuesday", "What is my name?")
    assert "agent: You are Ana." in output
    assert "tuesday has 2 messages" in output
    assert "monday has 8 messages" in run("memory_agent.py", memory, "monday", "Hello")


def test_the_workflow_survives_the_kill_of_its_process() -> None:
    killed, race, end = run("resumable_workflow.py").split("\n\n")
    assert f"ended by signal {SIGKILL}, yet the run's status is still 'running:" in killed
    begun = re.findall(r"process (\d+) begins (\w+)", killed + race)
    stored = re.findall(r"process (\d+) stored (\w+)", killed + race)
    assert [step for _, step in stored] == STEPS
    for step in re.findall(r"stored (\w+)", killed):
        assert [which for _, which in begun].count(step) == 1
    assert len({process for process, _ in stored}) == 2
    assert len(re.findall("finished the run", race)) == 1
    assert len(re.findall("stops: ", race)) == 1
    assert "'success'" in end
    assert re.findall(r"(\w+) done by process (\d+)", end) == [pair[::-1] for pair in stored]


async def test_of_many_who_resume_a_killed_run_exactly_one_goes_on(runners: Runners) -> None:
    killed = await runners.start("start")
    run_id = await killed.says("starts ")
    await killed.says("stored charge")
    killed.process.kill()
    assert await killed.end() == -SIGKILL
    racers = [await runners.start("resume", run_id) for _ in range(4)]
    assert [await racer.end() for racer in racers] == [0] * 4
    (winner,) = [racer for racer in racers if "finished the run" in racer.said]
    losers = [racer.said for racer in racers if racer is not winner]
    assert losers == [["stops: another process has this run"]] * 3
    both = [*killed.said, *winner.said]
    assert steps("stored", both) == STEPS
    assert [step for step in steps("stored", killed.said) if both.count(f"begins {step}") > 1] == []


async def test_nobody_takes_a_run_from_a_runner_that_lives(runners: Runners) -> None:
    alive = await runners.start("start")
    other = await runners.start("resume", await alive.says("starts "))
    assert (await alive.end(), await other.end()) == (0, 0)
    assert (steps("begins", alive.said), alive.said[-1]) == (STEPS, "finished the run")
    assert [line.partition(":")[0] for line in other.said] == ["stops"]


async def test_a_runner_that_outslept_its_lease_stops_when_it_wakes(runners: Runners) -> None:
    slow = await runners.start("start")
    run_id = await slow.says("starts ")
    await slow.says("stored reserve")
    slow.process.send_signal(SIGSTOP)
    other = await runners.start("resume", run_id)
    assert (await other.end(), other.said[-1]) == (0, "finished the run")
    slow.process.send_signal(SIGCONT)
    assert (await slow.end(), slow.said[-1]) == (0, "stops: another process has this run")
    assert "reserve" not in steps("begins", other.said)


async def test_an_evaluation_can_be_repeated_and_corrected(
    server: Server, shared: RedisStore
) -> None:
    first = await to_thread(run, "evaluation_run.py", server.url)
    assert "read in pages of 30, 80 different" in first
    means = [re.split(r"\s+", line.strip()) for line in first.splitlines() if "0." in line]
    assert means == [
        ["correct", "0.750", "0.900", "0.825"],
        ["brief", "1.000", "0.226", "0.613"],
        ["correct", "0.800", "0.900", "0.850"],
        ["brief", "1.000", "0.226", "0.613"],
    ]
    assert "now 1.0: still 80 scores" in first
    assert await to_thread(run, "evaluation_run.py", server.url) == first
    assert (await shared.scores.list_scores_by_run_id("evaluation-1")).total == 80


async def test_a_thread_lies_on_one_node_of_a_cluster(deployments: Deployments) -> None:
    url = await deployments.url(Variant(FIRST, hash_tags=True, topology="cluster"))
    output = await to_thread(run, "cluster.py", url)
    where = re.findall(r"slot +(\d+)  (\S+)  1  example:\S*\{chat-user-1\}", output)
    assert len(where) == 4
    assert len(set(where)) == 1
    counts = [int(count) for count in re.findall(r"^   \S+:\d+ +(\d+)$", output, re.MULTILINE)]
    assert sum(counts) == 50
    assert len(counts) == 3
    assert min(counts) > 10
    assert "user-1 has 1 thread; all users have 50." in output
    async with connect_raw(url) as raw:
        assert await raw.keys("example:") == []
        await raw("DEL", *await raw("KEYS", "example:*"))


async def test_a_memory_survives_a_failover_with_every_turn(tmp_path: Path) -> None:
    binary = next(iter(server_binaries().values()))
    async with SentinelDeployment(
        binary, workdir=tmp_path, replicas=2, down_after_ms=1000
    ) as service:
        talking = await started("sentinel.py", "--turns", "300", service.url)
        await talking.says("turn 10: ")
        killed = await service.kill_primary()
        assert await talking.end() == 0
        assert await service.current_primary() is not killed
    kept = "on the primary, and on as many replicas as asked for"
    turns = [f"turn {number}: {kept}" for number in range(1, 301)]
    assert talking.said[:-2] == turns
    assert re.fullmatch(r"turn 0: on the primary, and on [12] replicas only", talking.said[-2])
    assert talking.said[-1] == "301 messages; the newest: ['turn 0', 'turn 300', 'turn 299']"


@asynccontextmanager
async def web_chat(url: str) -> AsyncGenerator[AsyncClient]:
    """Serve the web chat, and yield a client of it."""
    port = free_port()
    command = [sys.executable, "-W", "error", str(EXAMPLES / "web_chat.py")]
    process = await create_subprocess_exec(*command, "--url", url, "--port", str(port))
    try:
        async with AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            await until(partial(_is_up, client), "web chat up", timeout=20)
            yield client
    finally:
        process.terminate()
        await process.wait()


async def _is_up(client: AsyncClient) -> bool:
    try:
        return (await client.get("/openapi.json")).is_success
    except TransportError:
        return False


async def test_a_web_chat_remembers_what_it_streams(tmp_path: Path) -> None:
    chat = "/users/ana/threads/t/messages"
    async with web_chat(f"embedded://{tmp_path}") as client:
        empty = await client.get("/users/ana/threads")
        assert empty.json() == {
            "threads": [],
            "total": 0,
            "page": 0,
            "perPage": 100,
            "hasMore": False,
        }
        async with client.stream("POST", chat, content="Hello é") as reply:
            assert reply.is_success
            chunks = [chunk async for chunk in reply.aiter_text()]
        assert len(chunks) > 1
        assert "".join(chunks).strip() == "You said 'Hello é'; before that, 0 other things."
        await client.post(chat, content="And again")
        history = (await client.get(chat)).json()
        assert [
            (each["role"], each["content"]["content"].strip()) for each in history["messages"]
        ] == [
            ("user", "Hello é"),
            ("assistant", "".join(chunks).strip()),
            ("user", "And again"),
            ("assistant", "You said 'And again'; before that, 1 other things."),
        ]
        assert (history["total"], history["hasMore"]) == (4, False)
        assert (await client.get(chat, params={"page": 1})).json()["messages"] == []
        assert (await client.get(chat, params={"page": -1})).status_code == 422
        thread = (await client.get("/users/ana/threads/t")).json()
        assert (thread["resourceId"], thread["createdAt"][-1]) == ("ana", "Z")
        assert (await client.get("/users/ana/threads")).json()["threads"] == [thread]


async def test_a_web_chat_shows_nobody_the_threads_of_others(server: Server) -> None:
    async with web_chat(server.url) as client:
        await client.post("/users/ana/threads/web-chat/messages", content="secret")
        assert (await client.get("/users/bob/threads/web-chat")).status_code == 404
        assert (await client.get("/users/bob/threads/web-chat/messages")).json()["total"] == 0
        said = await client.post("/users/bob/threads/web-chat/messages", content="mine")
        assert said.status_code == 404
    async with RedisStore(server.url) as store, Raw(server.url) as raw:
        assert (await store.memory.list_messages("web-chat")).total == 2
        await store.memory.dangerously_clear_all()
        await raw("DEL", Keys().marker())
