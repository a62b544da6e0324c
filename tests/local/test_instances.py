"""Where everybody is, and what they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from posture.errors import InputError
from posture.local.instances import instances
from posture.local.layout import Layout
from posture.model.application import load_application

BOOKINFO = load_application(Path(__file__).parents[2] / "apps" / "bookinfo.yaml")
LAYOUT = Layout("dev", Path("project"), "127.33")


def test_every_version_and_every_client_is_an_instance_at_an_address_of_its_own() -> None:
    assert [(each.name, each.service, each.address, each.port) for each in instances(BOOKINFO, LAYOUT)] == [
        ("productpage-v1", "productpage", "127.33.1.1", 9080),
        ("details-v1", "details", "127.33.1.2", 9080),
        ("reviews-v1", "reviews", "127.33.1.3", 9080),
        ("reviews-v2", "reviews", "127.33.1.4", 9080),
        ("reviews-v3", "reviews", "127.33.1.5", 9080),
        ("ratings-v1", "ratings", "127.33.1.6", 9080),
        ("fortio", "fortio", "127.33.1.7", None),
    ]


def test_a_process_is_told_where_to_listen_and_whom_to_call_at_its_own_address() -> None:
    found = {each.name: each.environment for each in instances(BOOKINFO, LAYOUT)}
    assert found["productpage-v1"] == {
        "LISTEN_ADDRESS": "127.33.1.1",
        "LISTEN_PORT": "9080",
        "SERVICE_VERSION": "v1",
        "DETAILS_URL": "http://127.33.1.1:9101",
        "REVIEWS_URL": "http://127.33.1.1:9102",
        "RATINGS_URL": "http://127.33.1.1:9103",
    }
    assert found["reviews-v3"]["RATINGS_URL"] == "http://127.33.1.5:9101"


def test_positions_fill_one_network_after_the_other() -> None:
    assert [LAYOUT.address(position) for position in (0, 253, 254)] == ["127.33.1.1", "127.33.1.254", "127.33.2.1"]


@pytest.mark.parametrize("stack", ["../x", "org/dev", "", ".", "a b"])
def test_a_stack_that_can_not_name_a_folder_is_refused(stack: str) -> None:
    with pytest.raises(InputError, match="can't be called"):
        Layout(stack, Path("project"))
