"""What the program and its contenders say to each other: one JSON line each way."""

import msgspec


class Request(msgspec.Struct, kw_only=True):
    """One call, made ``times`` times by each of ``agents`` at once.

    Calls take the threads in turn. ``size`` is how many messages (0: all) or threads a call is
    about; ids of new messages are ``tag`` and a number from 0. ``prepare`` is no call: it has a
    contender with data of its own make the threads of ``size`` messages each, ``slack`` more being
    fine.
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
    """What was measured, in seconds.

    ``got`` is how many records the last call gave; ``stall`` the worst delay of the event loop,
    where it was watched.
    """

    seconds: list[float]
    elapsed: float
    cpu: float
    got: int
    stall: float = 0.0


class Greeting(msgspec.Struct):
    """A contender's first line: what it runs on, by name."""

    versions: dict[str, str]
