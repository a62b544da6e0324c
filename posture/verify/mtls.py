"""Does every sidecar insist on mutual TLS? Each refusal counts only beside a right certificate that was let in.

Why a version of TLS was refused can be told from Envoy's alert alone ("protocol version"): a sidecar that accepts the
version goes on to miss a certificate or a common cipher, and refuses as well (measured on Envoy 1.36.4).
"""

from __future__ import annotations

import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from posture.model.entries import Kind
from posture.model.matrix import UNKNOWN
from posture.verify.answers import nobody_listens
from posture.verify.attempts import Attempt, Reply, attempt, get, offer_only, why_not_offered
from posture.verify.callers import caller_of
from posture.verify.findings import Finding, Outcome, Section
from posture.verify.impostor import impersonate, spiffe_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from posture.model.access import Access
    from posture.model.application import Application
    from posture.verify.target import Endpoint, NearTarget

__all__ = ["mtls_findings"]

_BELOW: Mapping[str, tuple[ssl.TLSVersion, ...]] = {
    "TLSv1_0": (),
    "TLSv1_1": (),
    "TLSv1_3": (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2),
}
_BELOW_DEFAULT = (ssl.TLSVersion.TLSv1_1,)
"""Below TLS 1.2, which is also Envoy's floor where none is set."""

_PATIENCE_WITH_LIMITS = 3.0


class _Verdict(NamedTuple):
    outcome: Outcome
    observed: str


_UNPROVEN = _Verdict(Outcome.NOT_MEASURED, "a right caller got no answer either, so a refusal would prove nothing")


@dataclass(frozen=True)
class _Door:
    """An endpoint and how it is rightly asked; ``limited`` where others may hold all connections that it takes."""

    endpoint: Endpoint
    request: bytes
    right: ssl.SSLContext
    server_name: str | None = None
    limited: bool = False

    def knock(self, context: ssl.SSLContext | None) -> Attempt:
        return attempt(self.endpoint, self.request, context, self.server_name)

    def control(self) -> Attempt:
        """Ask rightly; where connections are limited, until one is free."""
        deadline = time.monotonic() + (_PATIENCE_WITH_LIMITS if self.limited else 0)
        while True:
            got = self.knock(self.right)
            if got.status is not None or time.monotonic() >= deadline:
                return got
            time.sleep(0.05)


@dataclass(frozen=True)
class _Trial:
    """Something to try at a door; ``judge`` is given the control's attempt, which was let in."""

    what: str
    expected: str
    judge: Callable[[_Door, Attempt], _Verdict]


def mtls_findings(target: NearTarget, application: Application, access: Access) -> list[Finding]:
    """Try each sidecar of an http service, and the gateway, with what they must refuse, and with what they must not.

    The floors are those of the entries that `access` was made of: what the posture says, whatever Consul holds.

    Returns:
        For each sidecar: it answers a right certificate; its own is of the mesh's CA and names the service; it refuses
        plaintext, TLS without a certificate, a certificate of another CA, and each TLS version below the mesh's floor.
        For the gateway: it answers, and refuses plaintext and each TLS version below its own floor.
    """
    services = [name for name, service in application.services.items() if service.protocol == "http"]
    with ThreadPoolExecutor() as pool:
        parts = list(pool.map(lambda name: _of_service(target, application, access, name), services))
    return [*(finding for part in parts for finding in part), *_of_gateway(target, application, access)]


def _of_service(target: NearTarget, application: Application, access: Access, service: str) -> list[Finding]:
    caller = caller_of(service, application, access)
    source = caller.source or UNKNOWN
    floor = _entry(access, Kind.MESH).get("TLS", {}).get("Incoming", {}).get("TLSMinVersion")
    anonymous = target.context(None)
    trials = (
        _Trial(f"proves to be {service}", "its SPIFFE ID, by the mesh's CA", lambda _, got: _identity(service, got)),
        _Trial("refuses plaintext", "refused", lambda door, _: _refused(door.knock(None))),
        _Trial("refuses TLS without a certificate", "refused", lambda door, _: _refused(door.knock(anonymous))),
        _Trial(f"refuses {source}'s name from another CA", "refused", lambda door, got: _forged(door, source, got)),
        *_floor(floor),
    )
    limited = access.connection_limit(service) is not None
    return [
        finding
        for endpoint in target.sidecars(service)
        for finding in _try(
            _Door(endpoint, get(caller.path, service), target.context(source), limited=limited),
            f"answers {source}'s own certificate",
            trials,
        )
    ]


def _of_gateway(target: NearTarget, application: Application, access: Access) -> list[Finding]:
    gateway = application.gateway
    listener: dict[str, Any] = next(iter(_entry(access, Kind.API_GATEWAY).get("Listeners", ())), {})
    request = get(gateway.routes[0].path, gateway.authority)
    return _try(
        _Door(target.entrance(), request, target.entrance_context(), gateway.host),
        "answers over TLS",
        (
            _Trial("refuses plaintext", "refused", lambda door, _: _refused(door.knock(None))),
            *_floor(listener.get("TLS", {}).get("MinVersion")),
        ),
    )


def _try(door: _Door, control_name: str, trials: Iterable[_Trial]) -> list[Finding]:
    name, control = door.endpoint.instance, door.control()
    let_in = control.status is not None
    unanswered = Outcome.NOT_MEASURED if door.limited and not nobody_listens(control.words) else Outcome.FAILS
    observed = f"{control.status} over {control.version}" if let_in else control.words
    first = Finding(
        Section.MTLS, f"{name} {control_name}", Outcome.HOLDS if let_in else unanswered, "an answer", observed
    )

    def judge(trial: _Trial) -> _Verdict:
        if not let_in or (door.limited and door.control().status is None):
            return _UNPROVEN  # with all connections taken, anything is refused
        return trial.judge(door, control)

    verdicts = [(trial, judge(trial)) for trial in trials]
    return [
        first,
        *(
            Finding(Section.MTLS, f"{name} {trial.what}", verdict.outcome, trial.expected, verdict.observed)
            for trial, verdict in verdicts
        ),
    ]


def _identity(service: str, control: Attempt) -> _Verdict:
    """The control's handshake has checked the CA already; the name is left."""
    names = spiffe_ids(control.certificate or b"")
    pattern = rf"spiffe://[^/]+(/ap/[^/]+)?/ns/[^/]+/dc/[^/]+/svc/{re.escape(service)}"
    right = len(names) == 1 and re.fullmatch(pattern, names[0])
    return _Verdict(Outcome.HOLDS if right else Outcome.FAILS, ", ".join(names) or "no SPIFFE ID")


def _forged(door: _Door, source: str, control: Attempt) -> _Verdict:
    return _refused(door.knock(impersonate(source, control.certificate or b"")))


def _refused(got: Attempt) -> _Verdict:
    outcome = {Reply.REFUSED: Outcome.HOLDS, Reply.ANSWERED: Outcome.FAILS, Reply.NONE: Outcome.NOT_MEASURED}
    return _Verdict(outcome[got.reply], got.words)


def _floor(floor: str | None) -> list[_Trial]:
    def judge(version: ssl.TLSVersion) -> Callable[[_Door, Attempt], _Verdict]:
        return lambda door, _: _refused_for_its_version(door, version)

    return [
        _Trial(f"refuses {_words(version)}", "refused for its version", judge(version))
        for version in _BELOW.get(floor or "", _BELOW_DEFAULT)
    ]


def _refused_for_its_version(door: _Door, version: ssl.TLSVersion) -> _Verdict:
    context = offer_only(version)
    reason = why_not_offered(context)
    if reason:
        return _Verdict(Outcome.NOT_MEASURED, f"OpenSSL of this machine does not offer {_words(version)}: {reason}")
    got = door.knock(context)
    if got.reply is Reply.REFUSED and "alert" not in got.words:
        return _Verdict(Outcome.NOT_MEASURED, f"refused, but not said why: {got.words}")
    if got.reply is Reply.REFUSED and "protocol version" not in got.words:
        return _Verdict(Outcome.FAILS, f"{_words(version)} is taken, and only then: {got.words}")
    return _refused(got)


def _words(version: ssl.TLSVersion) -> str:
    """`TLSv1_1` as people write it."""
    return version.name.replace("v", " ").replace("_", ".")


def _entry(access: Access, kind: Kind) -> dict[str, Any]:
    return next((entry.body for entry in access.entries if entry.kind == kind), {})
