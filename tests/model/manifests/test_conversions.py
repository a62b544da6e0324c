"""Config entries to Kubernetes objects and back: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posture.model.entries import FILLED_IN, Entry, Kind, compile_entries
from posture.model.manifests.custom_resources import KINDS, read_custom_resource, render_custom_resource
from posture.model.manifests.gateway_api import read_gateway_object, render_gateway, render_route
from posture.model.manifests.placement import Placement
from posture.model.posture import Grant, HeaderMatch, Mesh, Permission, Posture
from posture.model.settings import settings_from

ROOT = Path(__file__).parents[3]
PLACEMENT = Placement("prod", "bookinfo", "bookinfo", "consul", "v1", "bookinfo", "gateway")
APPLICATION, _ = settings_from("dev", {}).load(ROOT)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
paths = st.from_regex(r"/[a-z0-9/._-]{0,12}", fullmatch=True)
headers = st.builds(
    lambda name, kind, value, invert: HeaderMatch.model_validate({"name": name, kind: value, "invert": invert}),
    st.from_regex(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}", fullmatch=True),
    st.sampled_from(["exact", "prefix", "suffix", "contains"]),
    texts,
    st.booleans(),
)
permissions = st.builds(
    lambda kind, path, methods, header: Permission.model_validate(
        {kind: path, "methods": tuple(methods) or None, "header": tuple(header) or None}
    ),
    st.sampled_from(["path_exact", "path_prefix"]),
    paths,
    st.lists(st.sampled_from(METHODS), unique=True),
    st.lists(headers, max_size=2),
)
grants = st.builds(
    lambda source, destination, allowed: Grant.model_validate(
        {"name": "g", "from": source, "to": destination, "permissions": tuple(allowed) or None}, by_alias=True
    ),
    st.sampled_from(sorted(APPLICATION.sources)),
    st.sampled_from(sorted(APPLICATION.services)),
    st.lists(permissions, max_size=3),
)
postures = st.builds(
    lambda opened, tls: Posture(description="d", grants=tuple(opened), mesh=Mesh(tls_min_version=tls), limits={}),
    st.lists(grants, max_size=6, unique_by=lambda grant: (grant.source, grant.destination)),
    st.sampled_from(["TLSv1_2", "TLSv1_3"]),
)


def there_and_back(entry: Entry) -> Entry:
    if entry.kind in KINDS:
        return read_custom_resource(render_custom_resource(entry, PLACEMENT))
    if entry.kind is Kind.API_GATEWAY:
        return read_gateway_object(render_gateway(entry, PLACEMENT))
    return read_gateway_object(render_route(entry, PLACEMENT, dict.fromkeys(APPLICATION.services, 9080)))


@given(postures)
def test_no_posture_loses_anything(posture: Posture) -> None:
    for entry in compile_entries(APPLICATION, posture):
        if entry.kind is not Kind.FILE_SYSTEM_CERTIFICATE:  # on Kubernetes it is a Secret
            assert there_and_back(entry) == entry


names = st.from_regex(r"[A-Z][a-z]{1,6}([A-Z][a-z]{1,6})?", fullmatch=True).filter(
    lambda name: name not in {"Arguments", "Config", "Interval"} and not name.startswith(("Http", "Tls", "Jwt"))
)
values = st.recursive(
    st.one_of(st.integers(), st.booleans(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, min_size=1, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(names, values, max_size=5), st.dictionaries(texts, texts, max_size=3))
def test_no_field_of_service_defaults_loses_anything(body: dict[str, object], arguments: dict[str, str]) -> None:
    extension = {"Name": "builtin/lua", "Arguments": arguments, "ConsulVersion": "", "EnvoyVersion": ""}
    whole = {"Expose": {}, "MeshGateway": {}, "TransparentProxy": {}, **body, "EnvoyExtensions": [extension]}
    entry = Entry(Kind.SERVICE_DEFAULTS, "details", whole)
    assert there_and_back(entry) == entry


@pytest.mark.parametrize(
    ("consul", "kubernetes"),
    [
        ("HTTP", "http"),
        ("TLSMinVersion", "tlsMinVersion"),
        ("MutualTLSMode", "mutualTLSMode"),
        ("AllowEnablingPermissiveMutualTLS", "allowEnablingPermissiveMutualTLS"),
        ("SanitizeXForwardedClientCert", "sanitizeXForwardedClientCert"),
        ("ExternalSNI", "externalSNI"),
        ("EnvoyClusterJSON", "envoyClusterJSON"),
        ("EnforcingConsecutive5xx", "enforcingConsecutive5xx"),
        ("JWT", "jwt"),
    ],
)
def test_abbreviations_are_written_as_the_crds_have_them(consul: str, kubernetes: str) -> None:
    entry = Entry(Kind.MESH, "mesh", {consul: {"A": 1}})
    manifest = render_custom_resource(entry, PLACEMENT)
    assert list(manifest["spec"]) == [kubernetes]
    assert there_and_back(entry) == entry


@given(st.integers(1, 10**9))
def test_durations_are_texts_there_and_nanoseconds_here(microseconds: int) -> None:
    override = {"Name": "ratings", "PassiveHealthCheck": {"Interval": microseconds * 1000, "BaseEjectionTime": 10**10}}
    entry = Entry(
        Kind.SERVICE_DEFAULTS,
        "reviews",
        {**FILLED_IN[Kind.SERVICE_DEFAULTS], "UpstreamConfig": {"Overrides": [override]}},
    )
    manifest = render_custom_resource(entry, PLACEMENT)
    [check] = [each["passiveHealthCheck"] for each in manifest["spec"]["upstreamConfig"]["overrides"]]
    assert check["baseEjectionTime"] == "10s"
    assert isinstance(check["interval"], str)
    assert there_and_back(entry) == entry
