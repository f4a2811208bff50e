"""Integrations: adapters that let agent frameworks store in Redis, one module or package each.

An adapter has the framework's names and semantics, and borrows an open ``RedisStore``: its
connections, deadlines, errors and key layout. It is imported by its user only, as
``redis_store.integrations.langgraph``. Nothing in ``redis_store`` imports it, so nobody pays for a
framework that he does not use: neither its import, nor its scripts.

Its data are under ``redis_store:integrations:{name}:``, which
``RedisStore.dangerously_clear_integrations`` removes, imported or not. Importing it also registers
it for maintenance (``maintenance/integrations.py``).
"""
