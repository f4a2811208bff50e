"""What is asked: how fast each call is, how that grows, and whether memory stays flat.

- ``comparison``: each call by each contender, the table of ``python -m benchmarks``
- ``curves``: the time of a call over thread length, keys, agents and servers; ``--curves``
- ``soak``: memory over minutes of load; ``--soak``
- ``memory``: server memory per thread and message; ``--memory``
"""
