"""The container of a service or a client, as the Kubernetes target runs it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from posture.model.shape import Shape

__all__ = ["Container", "Image"]

_REFERENCE = re.compile(
    r"([a-z0-9][a-z0-9.-]*(:\d+)?/)?[a-z0-9]+([._-]+[a-z0-9]+|/[a-z0-9]+)*"
    r"(:\w[\w.-]{0,127}(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})"
)
"""The grammar of references (github.com/distribution/reference), with a tag or a digest, or both."""


def _pinned(image: str) -> str:
    if not _REFERENCE.fullmatch(image):
        raise ValueError(f"'{image}' is no image reference with a tag or a digest; write REGISTRY/NAME:TAG")
    if image.endswith(":latest"):
        raise ValueError(f"'{image}' is another image on another day; name a version or a digest")
    return image


Image = Annotated[str, AfterValidator(_pinned)]
"""A reference with a tag or a digest; without either it would mean `latest`."""

Folder = Annotated[str, StringConstraints(pattern=r"^/[\w./-]+$")]


class Container(Shape):
    """What is run. The root file system is read-only but for the ``writable`` folders."""

    image: str
    """A reference; `{version}` in it stands for each of the service's versions."""
    arguments: tuple[str, ...] = ()
    environment: Annotated[dict[str, str], Field(default_factory=dict)]
    writable: tuple[Folder, ...] = ()

    @field_validator("image")
    @classmethod
    def _is_pinned(cls, image: str) -> str:
        _pinned(image.replace("{version}", "v1"))
        return image
