"""What a change of the project means for one stack: calls, limits, policies, resources."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from policies.judging import judge
from policies.reading import of_log
from policies.view import Certificate, Unreadable
from policies.view import Stack as Judged
from posture.cluster.entries import as_applied
from posture.declared import declared
from posture.model.access import Access
from posture.model.difference import Difference, compare
from posture.model.entries import Entry, compile_entries
from posture.model.held import bare
from posture.model.matrix import matrix
from posture.model.settings import read_settings
from posture.program.preview import preview
from posture.report.review import DEPLOYED, Review
from posture.verify.bundle import cleaned
from posture.verify.drift import drift_findings
from posture.verify.findings import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from policies.judging import Finding as Judgement
    from policies.judging import Pack
    from policies.view import Resource
    from posture.model.application import Application
    from posture.model.held import Standing
    from posture.program.preview import Plan
    from posture.stack import Stack
    from posture.verify.findings import Finding

__all__ = ["Base", "review"]


@dataclass(frozen=True)
class Base:
    """A revision to compare with, and the folder with its files."""

    revision: str
    project: Path


def review(stack: Stack, pack: Pack, base: Base | None) -> Review:
    """Preview a stack and say what it means, against a base or against what is deployed.

    Raises:
        EngineError: The stack can't be previewed.
        InputError: A mistake in its files, or in the base's.
    """
    application, posture = stack.load()
    engine = stack.engine()
    with stack.exclusively():
        engine.prepare()
    before_name, before = _deployed_name(stack), None
    if base:
        before_name, before = _of_base(base, stack.name)
    standing = stack.standing() if base is None else None
    changed = standing.changed if standing else []
    plan = preview(engine, refresh=bool(changed))
    then = before if before is not None else _entries(_read(plan, after=False))
    resources = tuple(_read(plan, after=True))
    if stack.settings.gateway_certificate:  # the engine's log leaves out what is in secrets
        ours = declared(stack.settings, application, posture, stack.name)
        resources = tuple(_with_certificates(resources, ours))
    now = _entries(resources)
    drift = _drift(standing, application, before_name) if standing else ()
    if standing and (changed or standing.unrecorded):
        then, now = _as_held(standing, now)
    old, new = Access(then), Access(now)
    difference = compare(application, (before_name, old), (posture.name, new))
    secrets = stack.secrets()
    own = pack.of_stack(stack.name, stack.settings.edition, str(stack.layout.state))
    findings = [_cleaned(each, secrets) for each in judge(Judged(resources, application), own)]
    return Review(
        stack=stack.name,
        against=base.revision if base else DEPLOYED,
        difference=Difference(**_masked({f.name: getattr(difference, f.name) for f in fields(difference)}, secrets)),
        matrix=matrix(new, application, posture.name),
        found=tuple(each for each in findings if not each.suppression),
        suppressed=tuple(each for each in findings if each.suppression),
        drift=tuple(replace(each, observed=cleaned(each.observed, secrets)) for each in drift),
        counts=plan.counts,
        diff=cleaned(plan.diff, secrets),
    )


def _deployed_name(stack: Stack) -> str:
    return str(stack.applied().get("posture") or "nothing")


def _drift(standing: Standing, application: Application, posture: str) -> tuple[Finding, ...]:
    """What has become of the entries since the last `up`, and what others have put beside them."""
    if not standing.recorded.entries:
        return ()
    findings = drift_findings(application, posture, standing.recorded.entries, standing.held)
    return tuple(each for each in findings if each.outcome is Outcome.FAILS)


def _as_held(standing: Standing, planned: Iterable[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """What Consul holds before and after; what isn't the stack's is in both."""
    then = standing.held.entries
    ours = {*standing.unrecorded, *(each.label for each in (*standing.recorded.entries, *planned))}
    foreign = [each for each in then if each.label not in ours]
    return then, (*map(bare, planned), *foreign)


def _of_base(base: Base, name: str) -> tuple[str, tuple[Entry, ...]]:
    """The posture of a stack in a base, and its entries as the target there has them; nothing where it isn't in it."""
    if not (base.project / f"Pulumi.{name}.yaml").exists():
        return "nothing", ()
    settings = read_settings(base.project, name)
    # What its settings name, such as a chart, isn't checked out, and has no say in entries.
    application, posture = settings.load(base.project, anywhere=True)
    entries = compile_entries(application, posture, settings.proxies)
    if settings.target == "kubernetes":
        entries = as_applied(entries, settings.certificate(application).name)
    return posture.name, entries


def _read(plan: Plan, *, after: bool) -> Iterable[Resource]:
    for each in plan.resources:
        inputs = each.after if after else each.before
        if inputs is not None:
            yield of_log(each.kind, each.name, inputs)


def _with_certificates(planned: Iterable[Resource], ours: Iterable[Resource]) -> Iterator[Resource]:
    """The same with certificates where they can't be read and the stack's settings have them."""
    certificates = {each.name: each.view for each in ours if isinstance(each.view, Certificate)}
    for each in planned:
        known = certificates.get(each.name) if isinstance(each.view, Unreadable) else None
        yield replace(each, view=known) if known else each


def _entries(resources: Iterable[Resource]) -> tuple[Entry, ...]:
    return tuple(resource.view for resource in resources if isinstance(resource.view, Entry))


def _cleaned(finding: Judgement, secrets: Sequence[str]) -> Judgement:
    return replace(finding, resource=cleaned(finding.resource, secrets), words=cleaned(finding.words, secrets))


def _masked(value: Any, secrets: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON, and named tuples of it
    if type(value) is str:  # not a StrEnum
        return cleaned(value, secrets)
    if isinstance(value, dict):
        return {key: _masked(each, secrets) for key, each in value.items()}
    if isinstance(value, list | tuple):
        masked = [_masked(each, secrets) for each in value]
        return masked if isinstance(value, list) else getattr(type(value), "_make", tuple)(masked)
    return value
