"""`posture manifests`: what a stack has in its cluster, as YAML; nothing needs to run for it."""

from __future__ import annotations

import click

from posture.errors import InputError
from posture.model.manifests.inventory import inventory
from posture.model.settings import read_settings
from posture.report.manifests_yaml import manifests_yaml
from posture.stack import find_project

__all__ = ["manifests"]


@click.command()
@click.argument("posture", required=False)
@click.option("--stack", "-s", required=True, help="The stack, one whose target is kubernetes.")
def manifests(posture: str | None, stack: str) -> None:
    """Print the Kubernetes objects of a stack under POSTURE, or under its own, as YAML.

    To be read, and compared with `kubectl diff -f -`. The Helm release and a certificate's key are not among them.
    """
    project = find_project()
    settings = read_settings(project, stack).under(posture)
    if settings.target != "kubernetes":
        raise InputError(f"the target of stack '{stack}' is {settings.target}; name one whose target is kubernetes")
    application, chosen = settings.load(project)
    click.echo(manifests_yaml(inventory(application, chosen, settings, stack)), nl=False)
