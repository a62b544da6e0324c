"""The program: a stack's settings name an application and a posture; the target makes the mesh enforce it."""

from pathlib import Path

import pulumi

from posture.program.configuration import read_configuration, run_errors_in_one_line
from posture.program.targets import deploy

with run_errors_in_one_line():
    settings = read_configuration()
    application, posture = settings.load(Path(__file__).parent)

    addresses = deploy(settings, application, posture)

    pulumi.export("posture", posture.name)
    pulumi.export("grants", [grant.name for grant in posture.grants])
    for name, address in addresses.items():
        pulumi.export(name, address)
