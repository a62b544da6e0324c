"""Names that an API server would refuse half-way through an `up`, or that two objects would have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from posture.errors import InputError
from posture.model.application import load_application
from posture.model.settings import settings_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from posture.model.application import Service

ROOT = Path(__file__).parents[2]
BOOKINFO = load_application(ROOT / "apps" / "bookinfo.yaml")
DETAILS, FORTIO = BOOKINFO.services["details"], BOOKINFO.clients["fortio"]


def check(*clients: str, gateway: str = "gateway", services: Mapping[str, Service] | None = None) -> None:
    """Check bookinfo with some more members."""
    more = {
        "clients": {**BOOKINFO.clients, **dict.fromkeys(clients, FORTIO)},
        "gateway": BOOKINFO.gateway.model_copy(update={"name": gateway}),
        "services": {**BOOKINFO.services, **(services or {})},
    }
    settings = settings_from("prod", {"target": "kubernetes", "kubeContext": "c", "gatewaySecret": "page-tls"})
    settings.check_cluster(ROOT, BOOKINFO.model_copy(update=more))


def test_names_that_every_cluster_takes_are_taken() -> None:
    check("c" * 55, gateway="g1", services={"a": DETAILS, "b" * 63: DETAILS})


def test_whatever_has_a_service_in_the_cluster_has_a_name_that_begins_with_a_letter() -> None:
    said = r"^'2fa' can't be a Service's name in a cluster; rename it: let it begin with a letter$"
    with pytest.raises(InputError, match=said):
        check("2fa")
    with pytest.raises(InputError, match=said):
        check(gateway="2fa")
    with pytest.raises(InputError, match=said):
        check(services={"2fa": DETAILS})


def test_nobody_is_called_as_the_service_account_that_is_in_each_namespace() -> None:
    with pytest.raises(
        InputError, match=r"^'default' is a service account that each namespace has already; rename it$"
    ):
        check(services={"default": DETAILS})


def test_the_name_of_a_client_leaves_room_for_its_twin() -> None:
    with pytest.raises(InputError, match=r"^client 'c{56}' has a twin .* 'c{56}-outside' is too long .*; shorten"):
        check("c" * 56)


def test_the_twin_of_a_client_has_a_name_of_its_own() -> None:
    said = r"^client 'x-y' has a twin in a cluster, and 'x-y-outside' is there already; rename either$"
    with pytest.raises(InputError, match=said):
        check("x-y", "x-y-outside")
    with pytest.raises(InputError, match=said):
        check("x-y", gateway="x-y-outside")
    with pytest.raises(InputError, match=said):
        check("x-y", services={"x-y-outside": DETAILS})
    with pytest.raises(InputError, match=said):
        check("x-y", services={"x": DETAILS.model_copy(update={"versions": ("y-outside",)})})
