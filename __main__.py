"""The program: a stack's settings name an application and a posture; the target makes the mesh enforce it."""

import asyncio
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


async def begin_registrations() -> None:
    """Let all of them begin before the SDK waits for them.

    It waits for what has begun, and then for outputs, by looking at all that are left whenever some are there
    (pulumi 3.259, `wait_for_rpcs`): a second way that takes minutes for what the first has in seconds.
    """
    await asyncio.sleep(0)


pulumi.run(begin_registrations)
