"""How a call becomes an atomic change: keys, codecs, transactions, scripts and indexes.

What the domains share, and nothing of a single one.
"""
