"""The stand-ins under the real engine, against a real Consul with ACLs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import tenacity

from posture.local.plugins.locate import plugin_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.engine

TOKEN = "7d1b9ef0-52d5-4a52-9d6c-2f3f0a4a7c11"  # noqa: S105 - of a Consul that lives as long as a test
PROGRAM = """
import json, os, sys
import pulumi
import pulumi_consul as consul

config = pulumi.Config()
print("the program prints this")
if message := config.get("refuse"):
    raise pulumi.RunError(message)
if config.get_bool("crash"):
    json.loads("{")
provider = consul.Provider("consul", address=config.require("address"), token=os.environ["TEST_TOKEN"])
ours = pulumi.ResourceOptions(provider=provider)
for label, (kind, name, fields) in config.require_object("entries").items():
    text = json.dumps(fields)
    consul.ConfigEntry(
        label,
        kind=kind,
        name=name,
        config_json=pulumi.Output.secret(text) if config.get_bool("secret") else text,
        opts=pulumi.ResourceOptions(provider=provider, import_=config.get(f"import-{label}")),
    )
if text := config.get("text"):
    consul.ConfigEntry("text", kind="mesh", name="mesh", config_json=text, opts=ours)
if config.get_bool("later"):
    known_later = provider.id.apply(lambda _: json.dumps({"Protocol": "http"}))
    consul.ConfigEntry("later", kind="service-defaults", name=provider.id, config_json=known_later, opts=ours)
if config.get_bool("key"):
    consul.Keys("keys", opts=ours)
pulumi.export("prefix", sys.prefix)
"""


POLICIES = """
import json
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def http_only(args, report):
    if json.loads(args.props.get("configJson", "{}")).get("Protocol") == "tcp":
        report(f"{args.name} is tcp")

PolicyPack("pack", [ResourceValidationPolicy(name="http-only", description="d", validate=http_only,
                                             enforcement_level=EnforcementLevel.MANDATORY)])
"""


@dataclass(frozen=True)
class Consul:
    address: str
    http: httpx.Client

    def entry(self, kind: str, name: str) -> dict[str, Any] | None:
        answer = self.http.get(f"/v1/config/{kind}/{name}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else dict(answer.raise_for_status().json())

    def write(self, kind: str, name: str, **fields: object) -> None:
        self.http.put("/v1/config", json={"Kind": kind, "Name": name, **fields}).raise_for_status()

    def remove(self, kind: str, name: str) -> None:
        self.http.delete(f"/v1/config/{kind}/{name}").raise_for_status()

    def clear(self) -> None:
        """Remove what tests may have left; others hold on to what comes later in this order."""
        for kind in ("http-route", "api-gateway", "service-intentions", "service-defaults", "proxy-defaults"):
            for entry in self.http.get(f"/v1/config/{kind}").raise_for_status().json():
                if entry["Name"] != "granted" or kind == "service-intentions":
                    self.remove(kind, entry["Name"])


@pytest.fixture(scope="session")
def mesh(consul: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consul]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    host = f"127.31.{worker + 1}.1"
    folder = tmp_path_factory.mktemp("consul")
    settings = {
        "bind_addr": host,
        "client_addr": host,
        "ports": {"dns": -1, "grpc": -1, "grpc_tls": -1, "serf_wan": -1},
        "acl": {"enabled": True, "default_policy": "deny", "tokens": {"initial_management": TOKEN}},
    }
    (folder / "consul.json").write_text(json.dumps(settings))
    command = [str(consul), "agent", "-dev", "-config-file", str(folder / "consul.json")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{host}:8500", headers={"X-Consul-Token": TOKEN}) as http:
            running = Consul(f"{host}:8500", http)
            for attempt in tenacity.Retrying(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.1)):
                with attempt:
                    running.write("service-defaults", "granted", Protocol="http")  # or it takes no L7 intentions
            yield running
    finally:
        process.terminate()
        process.wait(30)


@dataclass(frozen=True)
class Stack:
    """A project of its own, whose program declares the entries that the stack's config holds."""

    pulumi: Path
    folder: Path
    environment: Mapping[str, str]
    address: str

    def declare(self, entries: Mapping[str, tuple[str, str, object]], **config: object) -> None:
        values = {"address": self.address, "entries": entries, **config}
        text = json.dumps({"config": {f"standin:{key}": value for key, value in values.items()}})
        (self.folder / "Pulumi.dev.yaml").write_text(text)  # JSON is YAML

    def run(self, *arguments: str, check: int = 0) -> str:
        done = subprocess.run(
            [self.pulumi, *arguments, "--stack", "dev", "--non-interactive"],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        text = done.stdout + done.stderr
        assert done.returncode == check, text
        return text

    def up(self, check: int = 0, *options: str) -> str:
        return self.run("up", "--yes", "--skip-preview", *options, check=check)

    def output(self, name: str) -> str:
        return self.run("stack", "output", name).strip()

    def state(self) -> dict[str, Any]:
        exported: dict[str, Any] = json.loads(self.run("stack", "export"))
        return {resource["urn"].rpartition("::")[2]: resource for resource in exported["deployment"]["resources"]}


@pytest.fixture
def stack(tmp_path: Path, pulumi: Path, mesh: Consul) -> Iterator[Stack]:
    (tmp_path / "passphrase").write_text("a test's")
    (tmp_path / "state").mkdir()
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("name: standin\nruntime: {name: python, options: {virtualenv: .venv}}\n")
    (program / "__main__.py").write_text(PROGRAM)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "CONSUL_"))}
    environment |= {
        "PATH": f"{pulumi.parent}:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "TEST_TOKEN": TOKEN,
    }
    plugins = plugin_path(tmp_path / "plugins", environment=environment)
    environment["PATH"] = ":".join([*map(str, plugins), environment["PATH"]])
    made = Stack(pulumi, program, environment, mesh.address)
    made.declare({})
    made.run("stack", "init")
    yield made
    mesh.clear()


def resources(output: str) -> dict[str, int]:
    """Return the counts under the last `Resources:`, such as `{"created": 2, "unchanged": 1}`."""
    section = output.rpartition("Resources:\n")[2].partition("\n\n")[0]
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (?:to )?(\w+)", section)}
    return {word: count for word, count in counts.items() if word != "changes"}


def other_python(folder: Path) -> None:
    """Make a virtualenv that sees this one's packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    (folder / site / "ours.pth").write_text(str(Path(sys.prefix) / site))


DETAILS = ("service-defaults", "details", {"Protocol": "http", "TransparentProxy": {}})


def intentions(*methods: str) -> tuple[str, str, object]:
    allow = {"Action": "allow", "HTTP": {"PathPrefix": "/details", "Methods": methods}}
    source = {"Name": "productpage", "Permissions": [allow], "Precedence": 9, "Type": "consul"}
    return "service-intentions", "granted", {"Sources": [source]}


EVERY_KIND: dict[str, tuple[str, str, object]] = {
    "proxy": ("proxy-defaults", "global", {"Config": {"protocol": "http"}, "TransparentProxy": {}, "AccessLogs": {}}),
    "mesh": ("mesh", "mesh", {"TLS": {"Incoming": {"TLSMinVersion": "TLSv1_2"}}}),
    "details": DETAILS,
    "certificate": ("file-system-certificate", "gw", {"Certificate": "/c.pem", "PrivateKey": "/k.pem"}),
    "gateway": ("api-gateway", "gw", {"Listeners": [{"Name": "http", "Port": 8443, "Protocol": "http"}]}),
    "route": (
        "http-route",
        "gw",
        {
            "Parents": [{"Kind": "api-gateway", "Name": "gw", "SectionName": "http"}],
            "Rules": [{"Matches": [{"Path": {"Match": "exact", "Value": "/"}}], "Services": [{"Name": "details"}]}],
        },
    ),
}


def test_a_second_up_reports_no_changes_also_after_a_refresh(stack: Stack) -> None:
    stack.declare(EVERY_KIND)
    assert resources(stack.up()) == {"created": 2 + len(EVERY_KIND)}
    assert resources(stack.up()) == {"unchanged": 2 + len(EVERY_KIND)}
    assert resources(stack.run("refresh", "--yes", "--skip-preview")) == {"unchanged": 2 + len(EVERY_KIND)}
    assert resources(stack.up()) == {"unchanged": 2 + len(EVERY_KIND)}
    assert resources(stack.run("destroy", "--yes", "--skip-preview")) == {"deleted": 2 + len(EVERY_KIND)}


def test_destroy_leaves_no_entry(stack: Stack, mesh: Consul) -> None:
    stack.declare({"details": DETAILS})
    stack.up()
    assert mesh.entry("service-defaults", "details") is not None
    stack.run("destroy", "--yes", "--skip-preview")
    assert mesh.entry("service-defaults", "details") is None


def test_an_edit_is_an_update_in_place_that_the_preview_shows(stack: Stack, mesh: Consul) -> None:
    stack.declare({"grant": intentions("GET")})
    stack.up()
    stack.declare({"grant": intentions("GET", "PUT")})
    preview = stack.run("preview", "--diff")
    assert '+ [1]: "PUT"' in preview
    assert resources(preview) == {"update": 1, "unchanged": 2}
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    entry = mesh.entry("service-intentions", "granted")
    assert entry is not None
    assert entry["Sources"][0]["Permissions"][0]["HTTP"]["Methods"] == ["GET", "PUT"]
    assert stack.state()["grant"]["id"] == "service-intentions-granted"


def test_another_name_replaces_the_entry(stack: Stack, mesh: Consul) -> None:
    stack.declare({"details": DETAILS})
    stack.up()
    stack.declare({"details": ("service-defaults", "other", DETAILS[2])})
    assert resources(stack.up()) == {"replaced": 1, "unchanged": 2}
    assert mesh.entry("service-defaults", "details") is None
    assert mesh.entry("service-defaults", "other") is not None


def test_drift_shows_in_a_refresh_and_the_next_up_heals_it(stack: Stack, mesh: Consul) -> None:
    stack.declare({"grant": intentions("GET")})
    stack.up()
    mesh.write("service-intentions", "granted", Sources=[{"Name": "*", "Action": "allow"}])
    refresh = stack.run("refresh", "--yes", "--skip-preview", "--diff")
    assert '"productpage" => "*"' in refresh
    assert resources(refresh) == {"updated": 1, "unchanged": 2}
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    entry = mesh.entry("service-intentions", "granted")
    assert entry is not None
    assert [source["Name"] for source in entry["Sources"]] == ["productpage"]


def test_a_field_that_consul_fills_in_is_a_drift_until_the_program_writes_it(stack: Stack) -> None:
    stack.declare({"details": ("service-defaults", "details", {"Protocol": "http"})})
    stack.up()
    assert resources(stack.up()) == {"updated": 1, "unchanged": 2}
    stack.declare({"details": DETAILS})
    assert resources(stack.up()) == {"unchanged": 3}


def test_an_entry_that_is_gone_leaves_the_state_and_comes_back(stack: Stack, mesh: Consul) -> None:
    stack.declare({"details": DETAILS})
    stack.up()
    mesh.remove("service-defaults", "details")
    assert resources(stack.run("refresh", "--yes", "--skip-preview")) == {"deleted": 1, "unchanged": 2}
    assert resources(stack.up()) == {"created": 1, "unchanged": 2}


def test_an_entry_is_imported(stack: Stack, mesh: Consul) -> None:
    mesh.write("service-defaults", "found", Protocol="http")
    entry = {"details": ("service-defaults", "found", DETAILS[2])}
    stack.declare(entry, **{"import-details": "service-defaults/found"})
    assert resources(stack.up()) == {"created": 2, "imported": 1}
    stack.declare(entry)
    assert resources(stack.up()) == {"unchanged": 3}


def test_an_import_id_of_another_form_is_refused(stack: Stack) -> None:
    stack.declare({"details": DETAILS}, **{"import-details": "details"})
    assert "can't import 'details'; write KIND/NAME" in stack.up(check=1)


def test_a_preview_needs_no_running_consul(stack: Stack) -> None:
    stack.declare({"details": DETAILS}, address="127.31.0.9:1", later=True)
    assert resources(stack.run("preview")) == {"create": 4}


def test_an_up_without_consul_says_the_address_in_one_line(stack: Stack) -> None:
    stack.declare({"details": DETAILS}, address="127.31.0.9:1")
    assert (
        "error: service-defaults/details: no answer from Consul at http://127.31.0.9:1 "
        "(All connection attempts failed); start it, or correct the consul provider's address or CONSUL_HTTP_ADDR\n"
    ) in stack.up(check=1)


def test_a_refused_write_names_the_entry_in_consuls_own_words_and_the_next_up_completes(stack: Stack) -> None:
    bad = {"Sources": [{"Name": "a", "Action": "allow", "Permissions": [{"Action": "allow"}]}]}
    good = {"Sources": [{"Name": "a", "Action": "allow", "Precedence": 9, "Type": "consul"}]}
    stack.declare({"bad": ("service-intentions", "bad", bad), "details": DETAILS})
    assert (
        "error: Consul refuses service-intentions/bad: "
        "Sources[0].Action must be omitted if Permissions are specified (HTTP 500)\n"
    ) in stack.up(check=1)
    stack.declare({"bad": ("service-intentions", "bad", good), "details": DETAILS})
    stack.up()
    assert resources(stack.up()) == {"unchanged": 4}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_what_is_no_entry_is_refused_by_the_preview(stack: Stack, text: str) -> None:
    stack.declare({}, text=text)
    assert "configJson is not a JSON map" in stack.run("preview", check=1)


def test_another_type_needs_the_official_plugin(stack: Stack) -> None:
    stack.declare({}, key=True)
    assert (
        "error: consul:index/keys:Keys is not known to this stand-in for the consul plugin; "
        "install the official plugin: pulumi plugin install resource consul 3.15.2\n"
    ) in stack.run("preview", check=1)


def test_no_secret_is_written_in_the_clear(stack: Stack, tmp_path: Path) -> None:
    stack.declare({"details": DETAILS}, secret=True)
    output = stack.up() + stack.run("refresh", "--yes", "--skip-preview")
    stack.declare({"details": ("service-defaults", "details", {"Protocol": "tcp"})}, secret=True)
    output += stack.run("preview", "--diff")
    checkpoints = [file.read_text() for file in (tmp_path / "state/.pulumi/stacks").rglob("*.json")]
    assert checkpoints
    assert not [text for text in [*checkpoints, output] if TOKEN in text or "TransparentProxy" in text]


def test_a_policy_pack_stops_a_violation(stack: Stack, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(POLICIES)
    stack.declare({"details": DETAILS})
    assert resources(stack.run("preview", "--policy-pack", str(pack))) == {"create": 3}
    stack.declare({"details": ("service-defaults", "details", {"Protocol": "tcp"})})
    assert "details is tcp" in stack.up(1, "--policy-pack", str(pack))


def test_a_run_error_is_its_message_alone(stack: Stack) -> None:
    stack.declare({}, refuse="no posture `x`; choose y")
    output = stack.up(check=1)
    assert output.count("error: no posture `x`; choose y\n") == 2, "once as it happens, once in the summary"
    assert "Traceback" not in output
    assert "exit code" not in output


def test_an_exception_has_the_programs_traceback_alone(stack: Stack) -> None:
    stack.declare({}, crash=True)
    output = stack.up(check=1)
    assert "error: Program failed with an unhandled exception:" in output
    assert re.search(r'__main__.py", line \d+, in <module>\n +json.loads', output)
    assert "language_host.py" not in output


def test_what_a_program_prints_is_shown(stack: Stack) -> None:
    assert "the program prints this" in stack.run("preview")


def test_a_program_runs_in_our_virtualenv_if_it_names_none_that_is_there(stack: Stack) -> None:
    stack.up()
    assert stack.output("prefix") == sys.prefix


def test_a_program_runs_in_the_virtualenv_it_names(stack: Stack) -> None:
    virtualenv = stack.folder / ".venv"
    other_python(virtualenv)
    stack.up()
    assert stack.output("prefix") == str(virtualenv)
    stack.declare({}, refuse="not today")
    assert "error: not today\n" in stack.up(check=1)
