"""An application that changes under a live mesh: a service comes, and goes again with all that it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.engine_faults import ADDED, with_a_new_service

if TYPE_CHECKING:
    from tests.faults.subject import Subject

pytestmark = [pytest.mark.mesh, pytest.mark.engine]


def test_a_service_comes_and_goes(struck: Subject) -> None:
    def names() -> set[str]:
        return {f"{each['Kind']}/{each['Name']}" for each in struck.entries() if each.get("Name") == ADDED}

    with with_a_new_service(struck):
        struck.heal(struck.posture)
        struck.check()
        assert names() == {f"service-defaults/{ADDED}", f"service-intentions/{ADDED}"}
    struck.heal(struck.posture)
    struck.check()
    assert names() == set()
