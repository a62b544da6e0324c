"""What the edit of an entry's field means, for the fields that protect without deciding who may call whom."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from posture.model.difference import Edit

__all__ = ["Said", "of_a_limit", "said"]

_EXTENSIONS = "EnvoyExtensions"
_EXPOSE = "Expose"
_OF_OVERRIDES = {"Name", "Peer", "MeshGateway", "Limits", "PassiveHealthCheck"}
_TLS = {"TLSv1_0": "TLS 1.0", "TLSv1_1": "TLS 1.1", "TLSv1_2": "TLS 1.2", "TLSv1_3": "TLS 1.3"}
_INCOMING = {
    "MergeSlashes": (True, "slashes that follow each other are merged"),
    "PathWithEscapedSlashesAction": ("REJECT_REQUEST", "paths with escaped slashes are refused"),
    "HeadersWithUnderscoresAction": ("REJECT_REQUEST", "headers with underscores are refused"),
    "InsecureDisablePathNormalization": (False, "paths are normalised"),
    "SanitizeXForwardedClientCert": (True, "what callers say of certificates (x-forwarded-client-cert) is dropped"),
}


class Said(NamedTuple):
    """An edit in words, and whether less is protected after it."""

    words: str
    loosens: bool


def said(edit: Edit) -> Said | None:
    """The edit in words; None for one that needs none, or whose meaning is in the calls."""
    if not edit.field:
        return _whole(edit)
    field = edit.field.partition(".")[0]
    if field == "Sources":  # the names in it are of anybody's choice, even that of another field
        return None
    if field == _EXTENSIONS:
        return _extensions(edit)
    if field == _EXPOSE:
        return _exposes(edit)
    say = _SAYING.get(edit.field.rpartition(".")[2])
    return say(edit) if say else _block(edit)


def of_a_limit(edit: Edit) -> bool:
    """Whether an edit is nothing but a change of limits, which a difference has in words of its own."""
    if edit.field == _EXTENSIONS:
        return all(map(_is_limiter, {**(edit.before or {}), **(edit.after or {})}.values()))
    if edit.field.startswith(_EXTENSIONS):
        return edit.field.endswith(".Script.limits") or all(map(_is_limiter, filter(None, (edit.before, edit.after))))
    if edit.field.startswith("UpstreamConfig"):
        return all(map(_limits_upstreams, filter(None, (edit.before, edit.after))))
    return edit.field.startswith(("MaxInboundConnections", "RateLimits"))


def _limits_upstreams(config: object) -> bool:
    """Whether it is overrides that limit and nothing else: all of `UpstreamConfig`, or the list that is in it."""
    if isinstance(config, dict):
        return config.keys() == {"Overrides"} and _limits_upstreams(config["Overrides"])
    return isinstance(config, list) and all(each.keys() <= _OF_OVERRIDES for each in config)


def _whole(edit: Edit) -> Said | None:
    """An entry that comes or goes as a whole."""
    if edit.entry.startswith("mesh/") and not edit.after:
        return Said("nothing normalises paths or sets a floor for TLS any more", loosens=True)
    if edit.entry.startswith(("service-defaults/", "proxy-defaults/")):
        then, now = ((each or {}).get(_EXPOSE) for each in (edit.before, edit.after))
        return _exposes(edit._replace(field=_EXPOSE, before=then, after=now))
    return None


def _block(edit: Edit) -> Said | None:
    """A map that comes or goes with all that is in it: what that loosens, else what it means."""
    then, now = ({} if each is None else each for each in (edit.before, edit.after))
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return None
    fields = (
        edit._replace(field=f"{edit.field}.{key}", before=then.get(key), after=now.get(key)) for key in then | now
    )
    found = sorted(filter(None, map(said, fields)), key=lambda each: not each.loosens)
    if not found:
        return None
    worst = [each.words for each in found if each.loosens == found[0].loosens]
    return Said("; ".join(worst), found[0].loosens)


def _extensions(edit: Edit) -> Said | None:
    """Extensions that go; a rate limiter that goes is said of its limits."""
    name = edit.field.removeprefix(_EXTENSIONS).removeprefix(".")
    if edit.after or "." in name:
        return None
    gone = {name: edit.before} if name else edit.before
    names = [name for name, extension in gone.items() if not _is_limiter(extension)]
    return Said(f"{_name(edit)} loses {', '.join(names)}", loosens=True) if names else None


def _is_limiter(extension: object) -> bool:
    """Whether it is an extension whose program was read as that of a rate limiter."""
    arguments = extension.get("Arguments") if isinstance(extension, dict) else None
    return isinstance(arguments, dict) and isinstance(arguments.get("Script"), dict)


def _exposes(edit: Edit) -> Said | None:
    """What a service answers on a listener of its own, whoever asks."""
    key = edit.field.partition(".")[2]
    then, now = (_exposed({key: each} if key else each or {}) for each in (edit.before, edit.after))
    added, gone = ([each for each in one if each not in other] for one, other in ((now, then), (then, now)))
    if added:
        return Said(f"{_services(edit)} answers {', '.join(added)} in plaintext, past all rules", loosens=True)
    return Said(f"{_services(edit)} no longer answers {', '.join(gone)} in plaintext", loosens=False) if gone else None


def _exposed(expose: Mapping[str, Any]) -> list[str]:
    checks = ["what its health checks ask"] if expose.get("Checks") else []
    paths = [
        (each.get("Path"), each.get("LocalPathPort"), each.get("ListenerPort")) for each in expose.get("Paths") or ()
    ]
    return [*checks, *(f"{path} of its port {own} at port {outer}" for path, own, outer in paths)]


def _mutual_tls(edit: Edit) -> Said:
    who = _services(edit)
    if edit.after == "permissive":
        return Said(f"{who} takes plaintext from anyone, past all rules", loosens=True)
    return Said(f"{who} has mutual TLS {edit.after or 'as usual'}", loosens=False)


def _permitting(edit: Edit) -> Said:
    words = "services may be set to take plaintext" if edit.after else "no service may be set to take plaintext"
    return Said(words, loosens=bool(edit.after))


def _floor(edit: Edit) -> Said:
    where = "incoming" if "Incoming" in edit.field else "outgoing" if "Outgoing" in edit.field else "the gateway's"
    then, now = (_TLS.get(each, "whatever Envoy takes") for each in (edit.before, edit.after))
    lower = (
        list(_TLS).index(edit.after) < list(_TLS).index(edit.before) if {edit.after, edit.before} <= {*_TLS} else True
    )
    return Said(f"{where} connections need {now}; it was {then}", loosens=lower and edit.before in _TLS)


def _incoming(edit: Edit) -> Said:
    wanted, words = _INCOMING[edit.field.rpartition(".")[2]]
    holds = (edit.after or False) == wanted
    return Said(words if holds else f"no longer: {words}", loosens=not holds)


def _listeners(edit: Edit) -> Said | None:
    """What the gateway's listeners take that they didn't: other hostnames, older TLS, on ports of their own."""
    then, now = ({each.get("Name", ""): each for each in listeners or ()} for listeners in (edit.before, edit.after))
    pairs = [(then[name], listener) for name, listener in now.items() if name in then]
    hosts = [(old.get("Hostname") or "*", new.get("Hostname") or "*") for old, new in pairs]
    added = [listener for name, listener in now.items() if name not in then]
    said = [f"listens at {each.get('Port')} as well{'' if each.get('TLS') else ', without TLS'}" for each in added]
    said += [f"takes the hostname {new}; it was {old}" for old, new in hosts if not fnmatchcase(new, old)]
    floors = [[(each.get("TLS") or {}).get("MinVersion") for each in pair] for pair in pairs]
    said += [
        f"needs {_TLS.get(new or '', 'whatever Envoy takes')}; it was {_TLS[old]}"
        for old, new in floors
        if old in _TLS and (new not in _TLS or list(_TLS).index(new) < list(_TLS).index(old))
    ]
    return Said(f"{_name(edit)} {', '.join(said)}", loosens=True) if said else None


def _services(edit: Edit) -> str:
    return _name(edit) if edit.entry.startswith("service-defaults/") else "every service"


def _name(edit: Edit) -> str:
    return edit.entry.partition("/")[2]


_SAYING: Mapping[str, Callable[[Edit], Said | None]] = {
    "MutualTLSMode": _mutual_tls,
    "AllowEnablingPermissiveMutualTLS": _permitting,
    "TLSMinVersion": _floor,
    "MinVersion": _floor,
    "Listeners": _listeners,
    **dict.fromkeys(_INCOMING, _incoming),
}
