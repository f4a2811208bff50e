"""The engine that all domains share: keys, codecs, transactions, scripts and indexes.

It turns a call into an atomic change. ``redis_store/README.md`` shows how.
"""
