"""Connections to one server, to sentinels, to a cluster: the only package that imports redis.

A call becomes requests, which share a pipelined connection to each server; what was
not applied is sent again until the call's deadline.
"""
