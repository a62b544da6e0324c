"""As far as it goes without Enterprise: Community Edition reads `RateLimits` and refuses it for its edition alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from posture.model.limit_fields import Edition, Proxies, limit_fields
from posture.model.limits import Limit

if TYPE_CHECKING:
    import httpx

    from tests.mesh.conftest import LiveStack

pytestmark = pytest.mark.mesh
LIMITS: tuple[dict[str, Any], ...] = (
    {"requests_per_second": 5, "burst": 9},
    {
        "routes": (
            {"path_exact": "/a", "requests_per_second": 5},
            {"path_prefix": "/b", "requests_per_second": 7, "burst": 9},
        )
    },
)


def written(limited: LiveStack, **fields: Any) -> httpx.Response:
    with limited.consul() as consul:
        held = consul.get("/v1/config/service-defaults/details").raise_for_status().json()
        return consul.put("/v1/config", json={**held, **fields})


@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_compiled_for_enterprise_is_refused_for_the_edition_and_for_nothing_else(
    limited: LiveStack, limit: dict[str, Any]
) -> None:
    limited.up("open")
    fields = limit_fields("details", Limit.model_validate(limit, by_name=True), Proxies(Edition.ENTERPRISE))
    assert fields.keys() == {"RateLimits"}
    refused = written(limited, **fields)
    assert (refused.status_code, "enterprise" in refused.text.lower()) == (500, True), refused.text
    fields["RateLimits"]["InstanceLevel"]["Misspelt"] = 1
    assert "invalid config key" in written(limited, **fields).text, "it does know its fields"
