"""Puts a posture onto the target that a stack is set to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pulumi

from posture.model.chart import chart_values
from posture.model.entries import compile_entries
from posture.model.manifests.inventory import inventory
from posture.program.configuration import gateway_key

if TYPE_CHECKING:
    from posture.model.application import Application
    from posture.model.posture import Posture
    from posture.model.settings import Settings

__all__ = ["deploy"]


def deploy(settings: Settings, application: Application, posture: Posture) -> dict[str, str]:
    """Declare everything; the addresses to be shown as outputs, by name.

    Raises:
        InputError: What can't be, before anything is declared.
    """
    if settings.target == "local":
        _deploy_to_this_machine(settings, application, posture)
        return {"page": application.gateway.page, "ui": f"{settings.consul_address}/ui"}
    _deploy_to_cluster(settings, application, posture)
    return {"page": application.gateway.page}


def _deploy_to_this_machine(settings: Settings, application: Application, posture: Posture) -> None:
    # Here and below: no target should wait for what another one is made with.
    from posture.local.layout import Layout  # noqa: PLC0415
    from posture.local.proxies import Proxies  # noqa: PLC0415
    from posture.program.local_mesh import LocalMesh, LocalMeshArgs  # noqa: PLC0415

    entries = compile_entries(application, posture, settings.proxies)
    layout = Layout(pulumi.get_stack(), Path.cwd(), settings.local_network, settings.gateway_port)
    LocalMesh(application.name, LocalMeshArgs(entries, settings.consul_address, Proxies(layout, application)))


def _deploy_to_cluster(settings: Settings, application: Application, posture: Posture) -> None:
    from posture.cluster.checks import Plan  # noqa: PLC0415
    from posture.cluster.connection import connect  # noqa: PLC0415
    from posture.program.cluster_checks import check_before, keep_if_foreign  # noqa: PLC0415
    from posture.program.cluster_gateway import Pem  # noqa: PLC0415
    from posture.program.kubernetes_mesh import KubernetesMesh, KubernetesMeshArgs, Release  # noqa: PLC0415

    stack = pulumi.get_stack()
    found = inventory(application, posture, settings, stack)
    connection = connect(settings.kube_context, settings.kubeconfig)
    plan = Plan.of(found, application, settings)
    held = check_before(connection, plan) if settings.cluster_checks else ()
    path = "" if settings.consul_chart == "official" else settings.consul_chart
    release = Release(settings.consul_chart_version, path, chart_values(settings, found.placement.namespace))
    KubernetesMesh(
        application.name,
        KubernetesMeshArgs(
            context=settings.kube_context,
            kubeconfig=settings.kubeconfig,
            entries=compile_entries(application, posture, settings.proxies),
            held=held,
            inventory=found,
            release=release if settings.consul_is_ours else None,
            pem=Pem(settings.gateway_certificate, gateway_key()) if settings.gateway_certificate else None,
            before_delete=keep_if_foreign(connection, stack) if settings.consul_is_ours else None,
        ),
    )
