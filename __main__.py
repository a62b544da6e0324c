"""The program: a stack's settings name an application and a posture; the target makes the mesh enforce it."""

from pathlib import Path

import pulumi

from posture.model.entries import compile_entries
from posture.program.configuration import read_configuration, run_errors_in_one_line
from posture.program.local_mesh import LocalMesh, LocalMeshArgs

with run_errors_in_one_line():
    project = Path(__file__).parent
    settings = read_configuration()
    application, posture = settings.load(project)

    entries = compile_entries(application, posture, settings.proxies)
    LocalMesh(application.name, LocalMeshArgs(entries, settings.consul_address))

    pulumi.export("posture", posture.name)
    pulumi.export("grants", [grant.name for grant in posture.grants])
    pulumi.export("page", f"{settings.entrance}{application.gateway.routes[0].path}")
    pulumi.export("ui", f"{settings.consul_address}/ui")
