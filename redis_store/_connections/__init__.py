"""Connections to a server, to sentinels, to a cluster: the only package that imports redis.

The commands of a call become requests, which share one pipelined connection to each server.
Commands that failed for a temporary reason are sent again until the call's deadline.
"""
