"""Where `posture policy` gets its resources: from files of any kind, or from what a project's stacks would declare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import policies
from policies.certificates import file_of
from policies.config import load_config
from policies.files import Located, is_resource, resources_in
from policies.judging import Finding, Pack, judge
from policies.registry import RULES
from policies.rule import STACK
from policies.suppressions import load_suppressions
from policies.view import Certificate, Release, Stack
from posture.declared import declared
from posture.errors import InputError
from posture.model.document import nearest, read_documents
from posture.model.entries import Entry
from posture.model.origins import origins
from posture.model.settings import project_settings, read_settings, settings_from, state_folder
from posture.model.settings import stacks as stacks_of
from posture.report.findings import Placed
from posture.stack import find_project

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from policies.rule import Place
    from posture.model.application import Application
    from posture.model.document import Document
    from posture.model.origins import Origin

__all__ = ["Judged", "of_files", "of_stacks", "open_pack"]


class Judged(NamedTuple):
    """What was found, and on how many resources."""

    placed: list[Placed]
    resources: int


def open_pack(config: Path | None, suppressions: Path | None, stacks: Collection[str] | None = None) -> Pack:
    """The rules as these files set them up; by default the project's, else those that come with the rules.

    ``stacks`` are the names that suppressions may give, by default any.

    Raises:
        InputError: What is wrong in them.
    """
    try:
        own = find_project() / "policies"
    except InputError:
        own = Path(policies.__path__[0])
    folder = own if own.is_dir() else Path(policies.__path__[0])
    return Pack(
        load_config(config or folder / "config.json"),
        load_suppressions(suppressions or folder / "suppressions.yaml", stacks),
    )


def of_files(files: Sequence[Path], application: str | None, pack: Pack) -> Judged:
    """Judge files, which are of no stack: each posture by itself, all other resources together.

    Raises:
        InputError: A file is none of those that can be judged, or what is wrong in it.
    """
    pack = pack.suppressing_in("")
    placed: list[Placed] = []
    located: list[Located] = []
    count = 0
    for file in files:
        for document in read_documents(file):
            if is_resource(document):
                located += resources_in(document)
            elif "grants" in document.data or "description" in document.data:
                judged = _posture(document, application, pack)
                placed += judged.placed
                count += judged.resources
            else:
                document.fail("neither a posture nor a resource; expected apiVersion, Kind, resources or grants")
    if located:
        where = {id(each.resource): each for each in located}
        stack = Stack(tuple(each.resource for each in located), _application(application))
        first = located[0].document.file
        for finding in judge(stack, pack):
            each = where.get(id(finding.subject))
            file, line = (each.document.file, each.line(finding.place)) if each else (first, 1)
            placed.append(Placed(finding, str(file), line))
    return Judged(placed, count + len(located))


def of_stacks(names: Sequence[str], pack: Pack) -> Judged:
    """Judge stacks, by default all of the project; what several have in common is said once.

    What is suppressed in some of them alone is said of these and of the others.

    Raises:
        InputError: What is wrong in their files.
    """
    project = find_project()
    placed: dict[tuple[object, ...], Placed] = {}
    seen: dict[str, set[str]] = {}
    count = 0
    for name in names or stacks_of(project):
        settings = read_settings(project, name)
        application, posture = settings.load(project)
        resources = tuple(declared(settings, application, posture, name))
        places = origins(project, application, settings.posture)
        own = pack.of_stack(name, settings.edition, str(state_folder(project, name)))
        for finding in judge(Stack(resources, application), own):
            of_settings = finding.subject and isinstance(finding.subject.view, Certificate | Release)
            each = _place(finding, places, f"Pulumi.{name}.yaml" if of_settings else f"stacks/{settings.posture}.yaml")
            placed.setdefault((finding.rule.id, str(finding), finding.suppression, each.file, each.line), each)
        seen[name] = {resource.name for resource in resources}
        count += len(resources)
    if not names:
        placed |= {(each.finding.words,): each for each in _of_nobody(seen, pack)}
    return Judged(list(placed.values()), count)


def _posture(document: Document, application: str | None, pack: Pack) -> Judged:
    """A posture is judged as what it compiles to, in a folder `stacks` beside `apps`; certificates are its stacks'."""
    project, name = document.file.absolute().parent.parent, document.file.stem
    if document.file.absolute().parent.name != "stacks":
        raise InputError("a posture is judged in the folder stacks/ of its project", file=document.file)
    application = application or project_settings(project).application
    settings = settings_from("dev", {"posture": name, "application": application})
    loaded, posture = settings.load(project, anywhere=True)
    judged = declared(settings, loaded, posture, name)
    resources = tuple(each for each in judged if file_of(each.view) is None)
    places = origins(project, loaded, name)
    found = judge(Stack(resources, loaded), pack)
    placed = [_place(each, places, f"stacks/{name}.yaml") for each in found]
    base = document.file.parent.parent
    return Judged([each._replace(file=str(base / each.file)) for each in placed], len(resources))


def _application(name: str | None) -> Application | None:
    if name is None:
        return None
    project = find_project()
    known = sorted(file.stem for file in (project / "apps").glob("*.yaml"))
    if name not in known:
        raise InputError(f"no application '{name}'; {nearest(name, known)}")
    return settings_from("dev", {"application": name}).load(project, anywhere=True)[0]


def _place(finding: Finding, places: Mapping[str, Origin], otherwise: str) -> Placed:
    view = finding.subject.view if finding.subject else None
    names = _rule_names(view, finding.place) if isinstance(view, Entry) else ()
    origin = next((places[name] for name in names if name in places), None)
    return Placed(finding, origin.file, origin.line) if origin else Placed(finding, otherwise, 1)


def _rule_names(entry: Entry, place: Place) -> Iterator[str]:
    """The name of the rule at a place of an intention entry, as decisions give it, then that of its source."""
    if len(place) > 1 and place[0] == "Sources" and isinstance(place[1], int):
        source = f"{entry.label} source {entry.body['Sources'][place[1]]['Name']}"
        if len(place) > 3 and isinstance(place[3], int):  # noqa: PLR2004 - Sources, i, Permissions, j
            yield f"{source} permission {place[3] + 1}"
        yield source


def _of_nobody(resources: Mapping[str, set[str]], pack: Pack) -> Iterator[Placed]:
    """Suppressions of resources that the stack they hold for doesn't have, or none; resources are by stack."""
    rule = RULES["CP901"]
    for each in pack.suppressions.all:
        names = (each.stack,) if each.stack else resources
        if each.resource != STACK and not any(each.resource in resources.get(name, ()) for name in names):
            nobody = f"stack {each.stack} doesn't have" if each.stack else "no stack has"
            words = f"has a suppression of {each.rule} for {each.resource}, which {nobody}"
            file, _, line = each.where.rpartition(":")
            yield Placed(
                Finding(rule, pack.config.level(rule), STACK, words, (), None, None), f"policies/{file}", int(line)
            )
