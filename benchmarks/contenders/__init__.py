"""The contenders: the library, code written by hand, and published packages.

A contender runs in a process of its own (``worker.py``, ``peers/worker.py``, ``mastra_redis.mjs``,
``frameworks/worker.py``) and answers the requests of ``protocol.py``. Peers and frameworks import
this package under interpreters of their own, so ``protocol``, ``serving`` and ``event_loop`` need
only the standard library and msgspec.
"""
