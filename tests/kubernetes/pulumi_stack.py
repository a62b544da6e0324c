"""A Pulumi project that declares the Kubernetes objects of its configuration, on the real engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from posture.local.plugins.locate import plugin_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Stack", "make_stack", "resources"]

PROGRAM = """
import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
provider = kubernetes.Provider("cluster", **config.require_object("provider"))


class Object(pulumi.CustomResource):
    def __init__(self, label, fields, secret, opts):
        group, _, version = fields["apiVersion"].rpartition("/")
        token = f"kubernetes:{group or 'core'}/{version}:{fields['kind']}"
        inputs = {key: pulumi.Output.secret(value) if key in secret else value for key, value in fields.items()}
        super().__init__(token, label, inputs, opts)


made = {}
for label, fields in config.require_object("objects").items():
    made[label] = Object(
        label,
        fields,
        config.get_object("secret") or [],
        pulumi.ResourceOptions(
            provider=provider,
            depends_on=[made[other] for other in (config.get_object("after") or {}).get(label, [])],
            import_=(config.get_object("import") or {}).get(label),
            custom_timeouts=pulumi.CustomTimeouts(**config.get_object("timeouts") or {}),
        ),
    )
if config.get_bool("chart"):
    kubernetes.helm.v4.Chart("chart", chart="none", opts=pulumi.ResourceOptions(provider=provider))
if config.get_bool("file"):
    kubernetes.yaml.ConfigGroup("file", yaml="{}", opts=pulumi.ResourceOptions(provider=provider))
if config.get_bool("later"):
    data = {"id": provider.id}
    Object("later", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": data}, [],
           pulumi.ResourceOptions(provider=provider))
"""


@dataclass(frozen=True)
class Stack:
    """Its program declares what `declare` has written into the stack's configuration."""

    pulumi: Path
    folder: Path
    environment: Mapping[str, str]
    provider: Mapping[str, object]

    def declare(self, *objects: Mapping[str, Any], **config: object) -> None:
        """Declare objects; each is called by the name in its metadata."""
        named = {each["metadata"].get("name", "nameless"): each for each in objects}
        values = {"provider": self.provider, "objects": named, **config}
        text = json.dumps({"config": {f"objects:{key}": value for key, value in values.items()}})
        (self.folder / "Pulumi.dev.yaml").write_text(text)  # JSON is YAML

    def run(self, *arguments: str, check: int = 0) -> str:
        done = subprocess.run(
            [self.pulumi, *arguments, "--stack", "dev", "--non-interactive"],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        text = done.stdout + done.stderr
        assert (done.returncode == 0) == (check == 0), text
        return text

    def up(self, check: int = 0, *options: str) -> str:
        return self.run("up", "--yes", "--skip-preview", *options, check=check)

    def refresh(self, *options: str) -> str:
        return self.run("refresh", "--yes", "--skip-preview", *options)

    def destroy(self, check: int = 0) -> str:
        return self.run("destroy", "--yes", "--skip-preview", check=check)

    def state(self) -> dict[str, Any]:
        exported: dict[str, Any] = json.loads(self.run("stack", "export"))
        return {resource["urn"].rpartition("::")[2]: resource for resource in exported["deployment"]["resources"]}


def make_stack(folder: Path, pulumi: Path, provider: Mapping[str, object]) -> Stack:
    """Lay out a project in an empty folder, with a state of its own and the stand-ins that are needed."""
    (folder / "passphrase").write_text("a test's")
    (folder / "state").mkdir()
    program = folder / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("name: objects\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (program / "__main__.py").write_text(PROGRAM)
    dropped = ("PULUMI_", "KUBE", "KUBERNETES_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    environment |= {
        "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "HOME": str(folder),
    }
    plugins = plugin_path(folder / "plugins", environment=environment)
    environment["PATH"] = ":".join([*map(str, plugins), environment["PATH"]])
    made = Stack(pulumi, program, environment, provider)
    made.declare()
    made.run("stack", "init")
    return made


def resources(output: str) -> dict[str, int]:
    """Return the counts under the last `Resources:`, such as `{"created": 2, "unchanged": 1}`."""
    section = output.rpartition("Resources:\n")[2].partition("\n\n")[0]
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (?:to )?([\w-]+)", section)}
    return {word: count for word, count in counts.items() if word != "changes"}
