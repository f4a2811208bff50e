"""The measurements, each with its results.

- ``comparison``: each call by each contender, the table of ``python -m benchmarks``
- ``curves``: the time of a call over thread length, keys, agents and servers; ``--curves``
- ``soak``: memory over minutes of load; ``--soak``
- ``memory``: server memory per thread and message; ``--memory``
- ``frameworks``: steps of agent frameworks on this library and on other stores; ``--frameworks``
"""
