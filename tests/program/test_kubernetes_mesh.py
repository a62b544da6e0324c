"""The shape of the Kubernetes program: types, order and secrets. What it does is shown on a real API server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from google.protobuf import json_format  # type: ignore[import-untyped]  # it ships no types
from pulumi.provider.experimental import provider as api
from pulumi.runtime.mocks import MockMonitor

from posture.errors import InputError
from posture.local.plugins.kubernetes_object import Checkpoint, checkpoint, normal
from posture.local.plugins.kubernetes_provider import KubernetesProvider
from posture.local.plugins.property_values import properties
from posture.program.configuration import read_configuration
from posture.program.targets import deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PREFIX = "consul-posture:"
SIGNATURE, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"
"""How a secret is marked on its way to the engine (pulumi/sdk, go/common/resource/sig)."""

KUBECONFIG = """
contexts: [{name: test, context: {cluster: test, user: test}}]
clusters: [{name: test, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: test, user: {token: t}}]
"""
CONFIG = {
    "target": "kubernetes",
    "kubeContext": "test",
    "clusterChecks": "false",
    "consulChart": "existing",
    "gatewayCertificate": "the certificate",
    "gatewayKey": "the key",
}


class Declared(MockMonitor):
    """Takes the place of the engine, and remembers what a program has registered, by name."""

    def __init__(self) -> None:
        super().__init__(_Echo())
        self.requests: dict[str, Any] = {}
        self._by_urn: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # it has no types
        self._by_urn[answer.urn] = request
        if request.custom:
            self.requests[request.name] = request
        return answer

    def type_of(self, name: str) -> str:
        return str(self.requests[name].type)

    def inputs(self, name: str) -> Any:
        return json_format.MessageToDict(self.requests[name].object)

    def after(self, name: str) -> set[str]:
        """Everything that a resource has to wait for, its parents' dependencies included, as the engine does it."""
        return {self._by_urn[urn].name for urn in self._before(self.requests[name]) if self._by_urn[urn].custom}

    def _before(self, request: Any) -> set[str]:
        direct = {urn for urn in (*request.dependencies, request.parent) if urn in self._by_urn}
        return direct.union(*(self._before(self._by_urn[urn]) for urn in direct))

    def objects(self) -> set[str]:
        return {name for name in self.requests if self.type_of(name).startswith("kubernetes:")}


class _Echo(pulumi.runtime.Mocks):
    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[Any, Any]]:
        return f"{args.name}-id", args.inputs

    def call(self, _args: pulumi.runtime.MockCallArgs) -> tuple[dict[Any, Any], None]:
        raise AssertionError("the program calls no function of a provider")


def sealed(value: Any) -> Any:
    """The value in what is marked as a secret."""
    assert value[SIGNATURE] == SECRET
    return value["value"]


def declare(folder: Path, **config: str) -> Declared:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    declared = Declared()
    pulumi.runtime.set_mocks(declared.mocks, project="consul-posture", stack="prod", preview=False, monitor=declared)
    values = {**CONFIG, "kubeconfig": str(kubeconfig), **config}
    pulumi.runtime.set_all_config({f"{PREFIX}{key}": value for key, value in values.items()}, [f"{PREFIX}gatewayKey"])

    def program() -> None:
        settings = read_configuration()
        deploy(settings, *settings.load(ROOT))

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # it has no types
    return declared


@pytest.fixture(scope="module", autouse=True)
def event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Pulumi's mocks need one that is there, and `asyncio.run`, anywhere before, leaves none."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Declared:
    return declare(tmp_path_factory.mktemp("cluster"))


def test_each_object_is_a_resource_of_its_own_type(declared: Declared) -> None:
    assert declared.type_of("Namespace/bookinfo") == "kubernetes:core/v1:Namespace"
    assert declared.type_of("Deployment/reviews-v2") == "kubernetes:apps/v1:Deployment"
    consul = "kubernetes:consul.hashicorp.com/v1alpha1"
    assert declared.type_of("ServiceIntentions/details") == f"{consul}:ServiceIntentions"
    assert declared.type_of("Mesh/mesh") == f"{consul}:Mesh"
    assert declared.type_of("HTTPRoute/bookinfo") == "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"


def test_the_context_is_named_to_the_provider(declared: Declared) -> None:
    assert declared.inputs("kubernetes")["context"] == "test"


def test_everything_in_the_cluster_has_that_provider(declared: Declared) -> None:
    objects = declared.objects()
    assert len(objects) == 36
    assert {declared.requests[name].provider.split("::")[3] for name in objects} == {"kubernetes"}


def test_pods_come_after_the_rules_that_protect_them(declared: Declared) -> None:
    rules = {name for name in declared.requests if name.startswith("ServiceIntentions/")}
    assert len(rules) == 5
    assert rules <= declared.after("Deployment/details-v1")
    assert {"Service/details", "ServiceAccount/details"} <= declared.after("Deployment/details-v1")


def test_a_rule_comes_after_what_it_relies_on(declared: Declared) -> None:
    after = declared.after("ServiceIntentions/details")
    assert {"Namespace/bookinfo", "ProxyDefaults/global", "Mesh/mesh", "ServiceDefaults/details"} <= after
    assert "ServiceIntentions/any-destination" in after


def test_the_routes_come_last_of_all(declared: Declared) -> None:
    others = declared.objects() - {"HTTPRoute/bookinfo"}
    assert others <= declared.after("HTTPRoute/bookinfo")


def test_custom_resources_are_awaited_and_services_are_not(declared: Declared) -> None:
    def annotations(name: str) -> Any:
        return declared.inputs(name)["metadata"].get("annotations", {})

    for name in ("ServiceIntentions/details", "ServiceDefaults/details", "Mesh/mesh", "Gateway/gateway"):
        expected = {"pulumi.com/waitFor": "condition=Synced", "pulumi.com/patchForce": "true"}
        assert annotations(name) == expected, name
    assert annotations("Service/details") == {"pulumi.com/skipAwait": "true"}
    assert annotations("Deployment/details-v1") == {}


def test_the_gateways_key_is_a_secret(declared: Declared) -> None:
    assert sealed(declared.inputs("Secret/gateway-certificate")["stringData"])["tls.key"] == "the key"


def test_a_renewed_certificate_is_an_update_of_its_secret_and_no_new_one(
    declared: Declared, event_loop: asyncio.AbstractEventLoop
) -> None:
    options, secret = declared.inputs("kubernetes"), declared.inputs("Secret/gateway-certificate")
    old = normal({**secret, "stringData": sealed(secret["stringData"])})
    new = {**secret, "stringData": {"tls.crt": "renewed", "tls.key": "renewed"}}
    urn = "urn:pulumi:prod::p::kubernetes:core/v1:Secret::Secret/gateway-certificate"

    async def differ() -> api.DiffResponse:
        provider = KubernetesProvider({})
        await provider.configure(api.ConfigureRequest({}, properties(options), True, True))  # noqa: FBT003
        state = checkpoint(Checkpoint(old, old, "pulumi"), {})
        return await provider.diff(api.DiffRequest(urn, "n/s", state, properties(new), []))

    found = event_loop.run_until_complete(differ())
    assert found.detailed_diff
    assert found.detailed_diff.keys() == {'data["tls.crt"]', 'data["tls.key"]'}
    assert (found.replaces, found.delete_before_replace) == ([], False)


def test_a_stack_from_before_secrets_changed_in_place_keeps_its_provider(
    declared: Declared, event_loop: asyncio.AbstractEventLoop
) -> None:
    new = declared.inputs("kubernetes")
    old = {key: value for key, value in new.items() if key != "enableSecretMutable"}
    request = api.DiffRequest(
        "urn:pulumi:prod::p::pulumi:providers:kubernetes::kubernetes", "id", properties(old), properties(new), []
    )
    found = event_loop.run_until_complete(KubernetesProvider({}).diff_config(request))
    assert (found.diffs, found.replaces) == (["enableSecretMutable"], [])


def test_a_key_in_plain_text_is_refused() -> None:
    pulumi.runtime.set_all_config({f"{PREFIX}{key}": value for key, value in CONFIG.items()}, [])
    with pytest.raises(InputError, match="'gatewayKey' is in plain text; set it with: pulumi config set --secret"):
        read_configuration()


def test_a_secret_that_would_become_a_plain_input_is_refused() -> None:
    values = {**CONFIG, "consulValues": '{"server": {"token": "t"}}'}
    secret = [f"{PREFIX}{key}" for key in ("gatewayKey", "consulValues")]
    pulumi.runtime.set_all_config({f"{PREFIX}{key}": value for key, value in values.items()}, secret)
    with pytest.raises(
        InputError, match="'consulValues' holds a secret, which Pulumi's state would have in plain text"
    ):
        read_configuration()


def test_a_named_secret_is_used_and_none_is_made(tmp_path: Path) -> None:
    found = declare(tmp_path, gatewayCertificate="", gatewayKey="", gatewaySecret="page-tls")
    assert not [name for name in found.requests if name.startswith("Secret/")]
    [listener] = found.inputs("Gateway/gateway")["spec"]["listeners"]
    assert listener["tls"]["certificateRefs"] == [{"name": "page-tls"}]
