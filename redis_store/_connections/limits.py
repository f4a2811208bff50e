"""Limits: what a store asks of its connections."""

import msgspec

# An idle connection may have been forgotten by a firewall, which drops what is sent. It is probed
# before it is used again.
PROBE_AFTER = 10.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a store asks of its connections.

    Attributes:
        timeout: Seconds for a public call, retries included.
        min_replicas: How many replicas must confirm a write.
        socket_timeout: That option of the client, if it has it.
        probe_after: Seconds of idleness after which a connection is probed before it is used.
    """

    timeout: float
    min_replicas: int = 0
    socket_timeout: float | None = None
    probe_after: float = PROBE_AFTER

    @property
    def silence(self) -> float:
        """Seconds without a reply after which a connection counts as dead.

        Less than ``timeout``, so that the call can go on with another connection.
        """
        given = self.socket_timeout
        return given if given and given < self.timeout else self.timeout / 2
