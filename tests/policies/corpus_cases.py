"""The corpus: what is wrong with a program, written as the resources that make it so.

A case is what its file holds, put over a program that is right (`on: local`, `on: kubernetes`) or over none: a resource
takes the place of one of the same name, those named by `without` are left out. `finds` lists every finding there is. A
script that is written as a map is the rate limiter with these limits; `<certificates>` is the folder of that name.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies.examples import RELEASE
from policies.files import resources_in
from policies.registry import RULES
from posture.model.application import load_application
from posture.model.document import documents_in
from posture.model.entries import compile_entries
from posture.model.limiter import lua_of
from posture.model.posture import load_posture

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
CERTIFICATES = Path(__file__).parent / "certificates"


@dataclass
class Case:
    """A file of the corpus; `finds` holds "RULE RESOURCE", as often as it is found."""

    name: str
    documents: list[dict[str, Any]]
    on: str = ""
    without: set[str] = field(default_factory=set)
    finds: list[str] = field(default_factory=list)

    @property
    def about_the_stack(self) -> bool:
        """Whether a rule over all resources finds something, or should."""
        return bool(self.without) or any(RULES[each.split()[0]].judge_stack for each in self.finds)

    def program(self) -> list[dict[str, Any]]:
        """All documents of the whole program."""
        replaced = {name for document in self.documents for name in names_in(document)} | self.without
        return [document for names, document in base(self.on) if not replaced & names] + self.documents


def names_in(document: dict[str, Any]) -> set[str]:
    (read,) = documents_in(yaml.safe_dump(document), Path("case.yaml"))
    return {each.resource.name for each in resources_in(read)}


@cache
def base(name: str) -> list[tuple[set[str], dict[str, Any]]]:
    """The program of `rate-limited`, which all rules allow, with the names of its resources."""
    return [(names_in(document), document) for document in _good(name)]


def _good(name: str) -> list[dict[str, Any]]:
    if name == "nothing":
        return []
    if name == "kubernetes":
        text = (ROOT / "tests" / "golden" / "kubernetes" / "rate-limited.yaml").read_text()
        return [*filter(None, yaml.safe_load_all(text)), yaml.safe_load(RELEASE)]
    application = load_application(ROOT / "apps" / "bookinfo.yaml")
    gateway = application.gateway.model_copy(update={"certificate": str(CERTIFICATES / "lasting.pem")})
    application = application.model_copy(update={"gateway": gateway})
    entries = compile_entries(application, load_posture(ROOT / "stacks", "rate-limited", application))
    bodies = [{"Kind": entry.kind, "Name": entry.name, **entry.body} for entry in entries]
    return list(json.loads(json.dumps(bodies)))  # or YAML would write what they share as aliases


def read_case(file: Path) -> Case:
    text = file.read_text()
    case = Case(file.stem, [_written_out(document) for document in yaml.safe_load_all(text) if document])
    for key, value in re.findall(r"^# (on|without|finds): (.*)$", text, re.MULTILINE):
        match key:
            case "on":
                case.on = value
            case "without":
                case.without.add(value)
            case _:
                case.finds.append(value)
    return case


def _written_out(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("<certificates>", str(CERTIFICATES))
    if isinstance(value, list):
        return [_written_out(each) for each in value]
    if not isinstance(value, dict):
        return value
    is_script = value.keys() == {"service", "workers", "limits"}
    return lua_of(**value) if is_script else {key: _written_out(each) for key, each in value.items()}


CASES = {file.stem: read_case(file) for file in sorted(CORPUS.glob("*.yaml"))}
