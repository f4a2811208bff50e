"""The messages between a run and a contender's process: a line of JSON each, on stdin and stdout.

``mastra_redis.mjs`` implements them too.
"""

import msgspec


class Request(msgspec.Struct, kw_only=True):
    """A call to make, and how often.

    Args:
        call: A method of ``Driver``; ``save_again``: save messages that are stored, with other
            texts; or ``turn``: read a thread and its last ten messages, then save. ``prepare`` is
            no call: peers create the threads, of ``size`` messages each.
        threads: The calls take them in turn.
        size: How many messages or threads a call reads or writes; 0 is all.
        ids: The messages to update.
        resource: The user whose threads are listed.
        tag: Ids of new messages are this and a number, from 0.
        times: How many calls each agent makes, one after the other.
        agents: How many agents run at once.
        watch: Whether stalls of the event loop are measured.
        slack: With ``prepare``: existing threads may be longer than ``size`` by this much.
    """

    call: str
    threads: list[str]
    size: int = 0
    ids: list[str] = []
    resource: str = ""
    tag: str = ""
    times: int = 1
    agents: int = 1
    watch: bool = False
    slack: int = 0


class Sample(msgspec.Struct, kw_only=True):
    """The measurement of a request, in seconds.

    Args:
        seconds: The time of each call.
        elapsed: The time of all calls.
        cpu: The client's CPU time for them.
        got: The records that the last call read or wrote.
        stall: The worst delay of the event loop, if ``watch`` was set.
    """

    seconds: list[float]
    elapsed: float
    cpu: float
    got: int
    stall: float = 0.0


class Greeting(msgspec.Struct):
    """The first line of a contender: versions of its packages, by name."""

    versions: dict[str, str]
