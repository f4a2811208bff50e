"""Google ADK: ``RedisSessionService``, the session service of a ``Runner``.

``session_service`` speaks ADK's types; ``stored_sessions`` stores what it is given, and needs none
of them; ``maintenance`` tells ``verify``, ``prune``, ``erase_resource`` and ``export_resource``
about it.
"""

from redis_store.integrations.google_adk import maintenance
from redis_store.integrations.google_adk.session_service import RedisSessionService

maintenance.register()

__all__ = ["RedisSessionService"]
