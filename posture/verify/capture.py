"""Is what goes between sidecars unreadable on the wire? A capture says so, beside one of the services' own ports.

A request that bears a mark is sent through the gateway, and another straight to each sidecar. The mark is seen where a
service listens in plain text: that is the control. On the port of its sidecar there must be TLS records and nothing
else, and in these not one sequence of the bytes that the service was sent or answered.
"""

from __future__ import annotations

import ipaddress
import secrets
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from posture.model.access import Arrival, Request
from posture.verify.callers import caller_of
from posture.verify.findings import Finding, Outcome, Section
from posture.verify.packets import LoopbackCapture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.packets import Connection
    from posture.verify.target import Endpoint, NearTarget

__all__ = ["Records", "capture_findings", "read_records"]

_ROUNDS = 12
"""How often to visit the gateway: of three versions behind one name, chance passes over one for 12 visits in 1 of 40
cases; then only the mark that was sent straight to it counts."""

_BLOCK = 8
"""Any 15 bytes hold an aligned block of 8; that random bytes hold one by chance is 1 in 10^8 for a capture's 8 MiB."""

_APPLICATION_DATA, _TYPES = 23, range(20, 24)
_LONGEST_RECORD = (1 << 14) + 2048
_EXPECTED = "TLS records that hide all it hears and says"


@dataclass(frozen=True)
class Records:
    """The TLS records of some bytes: how many, and what those hold together that carry a payload."""

    count: int
    sealed: bytes


def read_records(data: bytes) -> Records | None:
    """Take bytes for TLS records (RFC 8446, 5.1); None when they are something else. The last may be cut off."""
    count, place, sealed = 0, 0, []
    while place + 5 <= len(data):
        kind, major, minor, length = struct.unpack_from("!BBBH", data, place)
        if kind not in _TYPES or (major, minor) not in {(3, 1), (3, 2), (3, 3)} or length > _LONGEST_RECORD:
            return None
        if kind == _APPLICATION_DATA:
            sealed.append(data[place + 5 : place + 5 + length])
        count, place = count + 1, place + 5 + length
    return Records(count, b"".join(sealed))


def capture_findings(target: NearTarget, application: Application, access: Access) -> list[Finding]:
    """Capture marked requests on the loopback interface, for about a second; nobody else may be probing meanwhile.

    Returns:
        One for each instance of an http service. Not measured is an instance that no request reaches under this
        posture, and everything without CAP_NET_RAW or where the mesh is on other machines.
    """
    services = [name for name, service in application.services.items() if service.protocol == "http"]
    pairs = [
        (sidecar, own)
        for name in services
        for sidecar in target.sidecars(name)
        for own in target.applications(name)
        if own.instance == sidecar.instance
    ]
    places = [endpoint for pair in pairs for endpoint in pair]
    if not all(_is_loopback(endpoint.host) for endpoint in places):
        return [_unmeasured("the mesh is not on this machine's loopback interface")]
    visit, call = f"visit-{secrets.token_hex(16)}", f"call-{secrets.token_hex(16)}"
    try:
        with LoopbackCapture(places) as capture:
            for name in services:
                _call(target, caller_of(name, application, access), call)
            for _ in range(_ROUNDS):
                _visit(target, application, visit)
                if all(_heard(capture.connections(own), visit) for _, own in pairs):
                    break
    except PermissionError:
        return [_unmeasured("it needs the capability CAP_NET_RAW, which this process doesn't have")]
    except OSError as error:
        return [_unmeasured(str(error))]
    if capture.lost:
        return [_unmeasured(f"{capture.lost} packets were lost; try again when the mesh is quiet")]
    return [
        _judge(sidecar, capture.connections(sidecar), capture.connections(own), visit, call) for sidecar, own in pairs
    ]


def _visit(target: NearTarget, application: Application, mark: str) -> None:
    """Ask the gateway for each route; services that pass on the trace context carry the mark to those they call."""
    for route in application.gateway.routes:
        headers = {"X-Posture-Mark": mark, "tracestate": f"posture={mark}"}
        target.enter(Arrival(application.gateway.name, "GET", route.path, headers))


def _call(target: NearTarget, caller: Request, mark: str) -> None:
    target.ask(Request(caller.source, caller.destination, caller.method, caller.path, {"X-Posture-Mark": mark}))


def _heard(connections: Sequence[Connection], mark: str) -> bool:
    return any(mark.encode() in connection.sent for connection in connections)


def _judge(
    sidecar: Endpoint, outside: Sequence[Connection], inside: Sequence[Connection], visit: str, call: str
) -> Finding:
    """Hold what passed before a sidecar against what passed behind it."""
    by_visit, by_call = _heard(inside, visit), _heard(inside, call)
    if not by_visit and not by_call:
        return _finding(sidecar, Outcome.NOT_MEASURED, "no request reaches the service, so there is nothing to hide")
    plain = [side for connection in inside for side in (connection.sent, connection.returned)]
    blocks = {side[i : i + _BLOCK] for side in plain for i in range(0, len(side) - _BLOCK + 1, _BLOCK)}
    count = size = 0
    for connection in outside:
        if not (connection.sent and connection.returned):
            continue  # nothing was exchanged: a health check, or somebody who was refused
        for side in (connection.sent, connection.returned):
            records = read_records(side)
            if records is None and connection.whole:
                return _finding(sidecar, Outcome.FAILS, f"no TLS: {side[:40]!r}")
            sealed = side if records is None else records.sealed  # of an older connection we may see half a record
            at = next((i for i in range(len(sealed) - _BLOCK + 1) if sealed[i : i + _BLOCK] in blocks), None)
            if at is not None:
                return _finding(sidecar, Outcome.FAILS, f"readable: {sealed[at : at + 40]!r}")
            count, size = count + (records.count if records else 0), size + len(sealed)
    if not count:
        return _finding(sidecar, Outcome.FAILS, "no TLS, though the request reached the service")
    way = "from a sidecar" if by_visit else "straight to it"
    observed = f"{count} TLS records, {size} sealed bytes; the mark, sent {way}, is seen behind it only"
    return _finding(sidecar, Outcome.HOLDS, observed)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _finding(sidecar: Endpoint, outcome: Outcome, observed: str) -> Finding:
    return Finding(Section.MTLS, f"{sidecar.instance} hears and says nothing readable", outcome, _EXPECTED, observed)


def _unmeasured(why: str) -> Finding:
    return Finding(Section.MTLS, "nothing readable between sidecars", Outcome.NOT_MEASURED, _EXPECTED, why)
