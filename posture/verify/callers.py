"""In whose name to ask a service, when any right caller will do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posture.model.access import Request
from posture.model.matrix import UNKNOWN

if TYPE_CHECKING:
    from posture.model.access import Access
    from posture.model.application import Application

__all__ = ["caller_of"]


def caller_of(service: str, application: Application, access: Access) -> Request:
    """Somebody who calls a service, as a GET: who is allowed to, if anybody is; else who is said to."""
    known = [
        Request(name, service, "GET", call.path)
        for callers in (application.services, application.clients)
        for name, caller in callers.items()
        for call in caller.calls
        if call.to == service
    ]
    gateway = application.gateway
    known += [Request(gateway.name, service, "GET", route.path) for route in gateway.routes if route.to == service]
    known += [Request(UNKNOWN, service)]
    return next((request for request in known if access.decide(request).allowed), known[0])
