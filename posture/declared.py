"""What a stack's program declares, as policies see it, as far as that is known without the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from policies.inputs import Secret
from policies.reading import of_config_entry, of_kubernetes, of_pulumi
from posture.model.chart import CHART, chart_values
from posture.model.entries import compile_entries
from posture.model.manifests.gateway_api import render_certificate
from posture.model.manifests.inventory import inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from policies.view import Resource
    from posture.model.application import Application
    from posture.model.posture import Posture
    from posture.model.settings import Settings

__all__ = ["declared"]


def declared(settings: Settings, application: Application, posture: Posture, stack: str) -> Iterator[Resource]:
    """The resources of a stack, by its settings."""
    if settings.target == "local":
        entries = compile_entries(application, posture, settings.proxies)
        yield from (of_config_entry(each.kind, each.name, each.body) for each in entries)
        return
    placement = settings.placement(stack, application)
    if settings.consul_is_ours:
        values = chart_values(settings, placement.namespace)
        release = {"chart": CHART, "version": settings.consul_chart_version, "values": values}
        yield of_pulumi("kubernetes:helm.sh/v3:Release", CHART, release)
    if settings.gateway_certificate:
        yield of_kubernetes(render_certificate(placement, settings.gateway_certificate, Secret(None)))
    yield from map(of_kubernetes, inventory(application, posture, settings, stack))
