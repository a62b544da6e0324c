"""Which edits are said in words of their own, and which are left to the words about limits."""

from __future__ import annotations

from typing import Any

import pytest

from posture.model.difference import Edit
from posture.model.edit_words import of_a_limit, said

ENTRY = "service-defaults/details"
LIMITER = {"Name": "builtin/lua", "Arguments": {"Script": {"service": "details", "workers": 1, "limits": ()}}}
OTHER = {"Name": "builtin/ext-authz", "Arguments": {"Config": {}}}
ADMIN = {"Path": "/admin", "LocalPathPort": 9080, "ListenerPort": 21500}
ADMIN_WORDS = "/admin of its port 9080 at port 21500"
OVERRIDES = {"Overrides": [{"Name": "ratings", "Limits": {"MaxConnections": 1}}]}


def test_a_listener_that_takes_more_is_said() -> None:
    def listener(hostname: str, floor: str) -> list[dict[str, Any]]:
        return [{"Name": "https", "Hostname": hostname, "TLS": {"MinVersion": floor}}]

    def words(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> object:
        return said(Edit("api-gateway/gateway", "Listeners", before, after))

    own, any_host = listener("shop.example.com", "TLSv1_3"), listener("*", "TLSv1_3")
    assert words(own, any_host) == ("gateway takes the hostname *; it was shop.example.com", True)
    assert words(own, listener("shop.example.com", "TLSv1_2")) == ("gateway needs TLS 1.2; it was TLS 1.3", True)
    assert words(any_host, own) is None
    assert words(listener("*.example.com", "TLSv1_2"), own) is None


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("MaxInboundConnections", 1, 2),
        ("RateLimits.InstanceLevel.RequestsPerSecond", 1, 2),
        ("EnvoyExtensions", None, {"builtin/lua": LIMITER}),
        ("EnvoyExtensions.builtin/lua", LIMITER, None),
        ("EnvoyExtensions.builtin/lua.Arguments.Script.limits", (), ()),
        ("UpstreamConfig", OVERRIDES, None),
        ("UpstreamConfig.Overrides", OVERRIDES["Overrides"], []),
    ],
)
def test_a_change_of_limits_is_left_to_their_words(field: str, before: Any, after: Any) -> None:
    edit = Edit(ENTRY, field, before, after)
    assert of_a_limit(edit)
    assert said(edit) is None


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("", {"Protocol": "http", "MaxInboundConnections": 1}, None),
        ("EnvoyExtensions", None, {"builtin/lua": LIMITER, "builtin/ext-authz": OTHER}),
        ("EnvoyExtensions.builtin/lua.Arguments.Script", "-- some program", "-- another"),
        ("UpstreamConfig", {**OVERRIDES, "Defaults": {}}, OVERRIDES),
        ("UpstreamConfig.Overrides", [{"Name": "ratings", "ConnectTimeoutMs": 1}], []),
        ("Protocol", "tcp", "http"),
    ],
)
def test_what_changes_more_than_limits_is_shown_as_it_is(field: str, before: Any, after: Any) -> None:
    assert not of_a_limit(Edit(ENTRY, field, before, after))


@pytest.mark.parametrize(
    "edit",
    [
        Edit(ENTRY, "EnvoyExtensions", {"builtin/lua": LIMITER, "builtin/ext-authz": OTHER}, None),
        Edit(ENTRY, "EnvoyExtensions.builtin/ext-authz", OTHER, None),
    ],
)
def test_an_extension_that_goes_loosens(edit: Edit) -> None:
    assert said(edit) == ("details loses builtin/ext-authz", True)


@pytest.mark.parametrize(
    ("entry", "field", "before", "after", "words", "loosens"),
    [
        (ENTRY, "MutualTLSMode", None, "permissive", "details takes plaintext from anyone, past all rules", True),
        (ENTRY, "MutualTLSMode", "permissive", None, "details has mutual TLS as usual", False),
        ("proxy-defaults/global", "MutualTLSMode", "strict", "permissive", "every service takes plaintext", True),
        ("mesh/mesh", "AllowEnablingPermissiveMutualTLS", None, True, "services may be set to take plaintext", True),
        ("mesh/mesh", "AllowEnablingPermissiveMutualTLS", True, None, "no service may be set to take plaintext", False),
        ("mesh/mesh", "TLS.Incoming.TLSMinVersion", "TLSv1_3", "TLSv1_2", "incoming connections need TLS 1.2", True),
        ("mesh/mesh", "TLS.Outgoing.TLSMinVersion", "TLSv1_2", "TLSv1_3", "outgoing connections need TLS 1.3", False),
        ("mesh/mesh", "TLS.Incoming.TLSMinVersion", "TLSv1_2", None, "incoming connections need whatever", True),
        ("mesh/mesh", "HTTP.Incoming.RequestNormalization.MergeSlashes", True, None, "no longer: slashes", True),
        ("mesh/mesh", "HTTP.Incoming.RequestNormalization.MergeSlashes", None, True, "slashes that follow", False),
        ("mesh/mesh", "HTTP.SanitizeXForwardedClientCert", True, None, "no longer: what callers say", True),
        ("mesh/mesh", "HTTP.SanitizeXForwardedClientCert", False, True, "what callers say of certificates", False),
        ("mesh/mesh", "TLS", {"Incoming": {"TLSMinVersion": "TLSv1_2"}}, None, "incoming connections need what", True),
        ("mesh/mesh", "TLS.Incoming", None, {"TLSMinVersion": "TLSv1_3"}, "incoming connections need TLS 1.3", False),
        (
            "api-gateway/gateway",
            "Listeners",
            [],
            [{"Name": "b", "Port": 80}],
            "gateway listens at 80 as well, with",
            True,
        ),
        ("mesh/mesh", "", {"TLS": {}}, None, "nothing normalises paths or sets a floor for TLS any more", True),
        (
            ENTRY,
            "Expose",
            None,
            {"Paths": [ADMIN]},
            f"details answers {ADMIN_WORDS} in plaintext, past all rules",
            True,
        ),
        (ENTRY, "Expose.Paths", [], [ADMIN], f"details answers {ADMIN_WORDS} in plaintext, past all rules", True),
        (ENTRY, "Expose.Paths", [ADMIN], [ADMIN, {**ADMIN, "Path": "/b"}], "details answers /b of its port 9080", True),
        (ENTRY, "Expose", {"Paths": [ADMIN]}, None, f"details no longer answers {ADMIN_WORDS} in plaintext", False),
        (ENTRY, "", None, {"Expose": {"Paths": [ADMIN]}}, f"details answers {ADMIN_WORDS} in plaintext", True),
        (
            *("proxy-defaults/global", "Expose.Checks", None, True),
            *("every service answers what its health checks ask in plaintext, past all rules", True),
        ),
    ],
)
def test_what_protects_is_said_in_words(  # noqa: PLR0913 - an edit, and what is said of it
    entry: str, field: str, before: Any, after: Any, words: str, *, loosens: bool
) -> None:
    found = said(Edit(entry, field, before, after))
    assert found
    assert found.words.startswith(words)
    assert found.loosens is loosens


@pytest.mark.parametrize("name", ["a.Listeners", "a.TLSMinVersion", "a.MutualTLSMode"])
def test_a_source_is_taken_for_no_field_whatever_its_name(name: str) -> None:
    assert said(Edit("service-intentions/details", f"Sources.{name}", None, {"Name": name, "Action": "allow"})) is None
