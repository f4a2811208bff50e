"""Agent frameworks, each with this library's adapter and with other stores.

``catalogue`` lists frameworks, stores and steps; a module per framework opens its stores and builds
the calls; ``worker`` is the process of one store.
"""
