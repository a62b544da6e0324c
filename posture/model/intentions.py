"""Who may call one destination: its intentions in the order in which the proxy lets them decide.

Follows Consul's compilation to Envoy RBAC (agent/xds/rbac.go of 1.22.7), not its documentation, for they differ: an
intention is only ever subtracted from a *less exact source* that comes after it. So `* -> db: deny` (precedence 8) does
not keep out `web -> *: allow` (precedence 6); each of the two can open by itself. Measured on Envoy 1.36.4, as is the
rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

# the engine of Envoy, which matches the names of sources with it
import re2

from posture.model.conditions import Condition, Facts, conditions_of
from posture.model.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from posture.model.entry import Entry

__all__ = ["ANYONE", "Decision", "Intention", "Intentions", "Rule", "is_pattern", "names"]

ANYONE = "*"
_PLAIN = re.compile(r"[\w-]*")
_QUIET = re2.Options()
_QUIET.log_errors = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a request: which rule gives it, and why in a few words.

    ``status`` is the HTTP status of an answer that comes from a proxy; an allowed request (200) gets its status from
    the application instead, and None is a connection without an answer.
    """

    allowed: bool
    rule: str
    why: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One permission of an intention, or an intention without permissions; ``permission`` counts from 1."""

    name: str
    entry: str
    source: str
    permission: int | None
    allows: bool
    conditions: tuple[Condition, ...] = ()
    providers: tuple[frozenset[str], ...] = ()
    note: str = ""
    decision: Decision = field(init=False)

    def __post_init__(self) -> None:
        """Make the decision once, because it is handed out for every request that the rule decides."""
        decision = Decision(self.allows, self.name, self.words, 200 if self.allows else 403)
        object.__setattr__(self, "decision", decision)

    @property
    def words(self) -> str:
        """What it says, as in "allows: path is /x, method GET"."""
        needs = [f"a token of {' or '.join(sorted(names))}" for names in self.providers]
        asked = ", ".join([*(condition.words for condition in self.conditions), *needs]) or self.note or "any request"
        return f"{'allows' if self.allows else 'denies'}: {asked}"

    def matches(self, facts: Facts) -> bool:
        """Whether all conditions hold; tokens are another matter."""
        for condition in self.conditions:  # noqa: SIM110 - a loop takes half the time of all() here
            if not condition.holds(facts):
                return False
        return True


class Intention(NamedTuple):
    """What an entry says of one source: the first of the rules that matches decides."""

    source: str
    precedence: int
    rules: tuple[Rule, ...]

    def decide(self, facts: Facts, tokens: frozenset[str], *, default: bool) -> Decision | None:
        """The decision; None if no rule matches, when the default policy decides.

        Tokens are asked for only by rules that differ from the default, as in Envoy, which knows only those.
        """
        for rule in self.rules:
            if rule.matches(facts):
                if rule.allows is default or all(names & tokens for names in rule.providers):
                    return rule.decision
                return Decision(default, rule.name, f"lacks what it needs; {rule.words}", 200 if default else 403)
        return None


class Intentions:
    """The intentions of all destinations, by destination and source."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._bodies = {entry.name: entry.body for entry in entries if entry.kind == Kind.SERVICE_INTENTIONS}
        self._read: dict[tuple[str, bool], dict[str, Intention]] = {}

    @property
    def destinations(self) -> frozenset[str]:
        """The destinations that have an entry of their own."""
        return frozenset(self._bodies) - {ANYONE}

    def of(self, destination: str, *, http: bool) -> dict[str, Intention]:
        """The intentions for a destination by source; of two with one source the more exact destination counts."""
        key = destination, http
        found = self._read.get(key)
        if found is None:
            everywhere = {} if destination == ANYONE else self.of(ANYONE, http=http)
            body = self._bodies.get(destination, {})
            found = self._read[key] = {**everywhere, **_intentions(destination, body, http=http)}
        return found

    def deciding(self, source: str, destination: str, *, http: bool) -> Sequence[Intention]:
        """The intentions that have a say on a source; several only if Envoy lets each decide by itself (see above)."""
        found = self.of(destination, http=http)
        anyone = found.get(ANYONE)
        exact = [each for each in found.values() if each.source != ANYONE and names(each.source, source)]
        if anyone and not any(each.precedence > anyone.precedence for each in exact):
            return anyone, *exact
        return exact


def is_pattern(name: str) -> bool:
    """Whether the name in an intention may be that of several sources."""
    return not _PLAIN.fullmatch(name)


def names(pattern: str, source: str) -> bool:
    """Whether the name in an intention is a source's, as Envoy has it.

    Consul puts the name as it is into a regular expression (`makeSpiffePattern`), so `we.` or `web|x` opens to `web`.
    """
    if pattern == source or _PLAIN.fullmatch(pattern):
        return pattern == source
    try:
        return re2.fullmatch(f"^spiffe://[^/]+/svc/{pattern}$", f"spiffe://mesh/svc/{source}", _QUIET) is not None
    except re2.error:
        return False


def _intentions(destination: str, body: Mapping[str, Any], *, http: bool) -> dict[str, Intention]:
    """An entry's intentions; those of peers speak of identities that this mesh doesn't issue."""
    found = {}
    for source in body.get("Sources") or ():
        if source.get("Peer") or source.get("SamenessGroup"):
            continue
        name = source["Name"]
        precedence = (9 if destination != ANYONE else 6) - (name == ANYONE)
        found[name] = Intention(name, precedence, tuple(_rules(destination, body, source, http=http)))
    return found


def _rules(destination: str, body: Mapping[str, Any], source: Mapping[str, Any], *, http: bool) -> Iterable[Rule]:
    entry = f"{Kind.SERVICE_INTENTIONS}/{destination}"
    name = f"{entry} source {source['Name']}"
    permissions = source.get("Permissions") or ()
    of_entry = _providers(body) if http else ()
    if permissions and not http:
        yield Rule(name, entry, source["Name"], None, allows=False, note="its permissions need an http service")
    elif not permissions:
        yield Rule(name, entry, source["Name"], None, source.get("Action") == "allow", (), of_entry)
    else:
        for number, permission in enumerate(permissions, 1):
            here = f"{name} permission {number}"
            yield Rule(
                here,
                entry,
                source["Name"],
                number,
                permission.get("Action") == "allow",
                conditions_of(permission.get("HTTP") or {}, here),
                (*of_entry, *_providers(permission)),
            )


def _providers(holder: Mapping[str, Any]) -> tuple[frozenset[str], ...]:
    """The JWT providers of an entry or a permission, a valid token of one of which it needs."""
    names = frozenset(provider["Name"] for provider in (holder.get("JWT") or {}).get("Providers") or ())
    return (names,) if names else ()
