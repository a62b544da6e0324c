"""What the edit of an entry's field means, for the fields that protect without deciding who may call whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from posture.model.difference import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Said", "said"]

_LIMIT = "MaxInboundConnections"
_TLS = {"TLSv1_0": "TLS 1.0", "TLSv1_1": "TLS 1.1", "TLSv1_2": "TLS 1.2", "TLSv1_3": "TLS 1.3"}
_PATHS = {
    "MergeSlashes": (True, "slashes that follow each other are merged"),
    "PathWithEscapedSlashesAction": ("REJECT_REQUEST", "paths with escaped slashes are refused"),
    "HeadersWithUnderscoresAction": ("REJECT_REQUEST", "headers with underscores are refused"),
    "InsecureDisablePathNormalization": (False, "paths are normalised"),
}


class Said(NamedTuple):
    """An edit in words, and whether less is protected after it."""

    words: str
    loosens: bool


def said(edit: Edit) -> Said | None:
    """The edit in words; None for one that needs none, or whose meaning is in the calls."""
    if not edit.field:
        return _whole(edit)
    say = _SAYING.get(edit.field.rpartition(".")[2])
    return say(edit) if say else None


def _whole(edit: Edit) -> Said | None:
    """An entry that comes or goes as a whole."""
    kind = edit.entry.partition("/")[0]
    then, now = (body if isinstance(body, dict) else {} for body in (edit.before, edit.after))
    limits = then.get(_LIMIT), now.get(_LIMIT)
    if kind == "service-defaults" and any(limits):
        return _limit(Edit(edit.entry, _LIMIT, *limits))
    if kind == "mesh" and not now:
        return Said("nothing normalises paths or sets a floor for TLS any more", loosens=True)
    return None


def _limit(edit: Edit) -> Said:
    name, before, after = _name(edit), edit.before, edit.after
    if not after:
        return Said(f"{name} takes any number of connections; the limit was {before}", loosens=True)
    if not before:
        return Said(f"{name} takes {after} connections at once; there was no limit", loosens=False)
    return Said(f"{name} takes {after} connections at once; the limit was {before}", loosens=after > before)


def _extensions(edit: Edit) -> Said:
    what = "has a limiter no more" if not edit.after else "gets another limiter" if edit.before else "gets a limiter"
    return Said(f"{_name(edit)} {what}", loosens=not edit.after)


def _mutual_tls(edit: Edit) -> Said:
    who = _name(edit) if edit.entry.startswith("service-defaults/") else "every service"
    if edit.after == "permissive":
        return Said(f"{who} takes plaintext from anyone, past all rules", loosens=True)
    return Said(f"{who} has mutual TLS {edit.after or 'as usual'}", loosens=False)


def _floor(edit: Edit) -> Said:
    where = "incoming" if "Incoming" in edit.field else "outgoing" if "Outgoing" in edit.field else "the gateway's"
    then, now = (_TLS.get(each, "whatever Envoy takes") for each in (edit.before, edit.after))
    lower = (
        list(_TLS).index(edit.after) < list(_TLS).index(edit.before) if {edit.after, edit.before} <= {*_TLS} else True
    )
    return Said(f"{where} connections need {now}; it was {then}", loosens=lower and edit.before in _TLS)


def _paths(edit: Edit) -> Said:
    wanted, words = _PATHS[edit.field.rpartition(".")[2]]
    holds = edit.after == wanted
    return Said(words if holds else f"no longer: {words}", loosens=not holds)


def _name(edit: Edit) -> str:
    return edit.entry.partition("/")[2]


_SAYING: Mapping[str, Callable[[Edit], Said]] = {
    _LIMIT: _limit,
    "EnvoyExtensions": _extensions,
    "MutualTLSMode": _mutual_tls,
    "TLSMinVersion": _floor,
    "MinVersion": _floor,
    **dict.fromkeys(_PATHS, _paths),
}
