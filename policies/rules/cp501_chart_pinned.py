"""The chart is one that was seen before."""

import re
from collections.abc import Iterator

from policies.examples import RELEASE
from policies.helm import is_consul, version_of
from policies.rule import Level, Problem, Rule, about
from policies.view import Release

_EXACT = re.compile(r"v?\d+\.\d+\.\d+(-[\w.]+)?|sha256:[0-9a-f]{64}")


def judge(release: Release) -> Iterator[Problem]:
    from_a_folder = release.chart.startswith((".", "/"))  # which has its own version, and is in the project
    version = version_of(release)
    if is_consul(release) and not from_a_folder and not _EXACT.fullmatch(version):
        yield Problem(f"has the version '{version or 'newest'}', which is none", ("version",))


RULE = Rule(
    id="CP501",
    title="Consul's chart is pinned to a version",
    level=Level.MANDATORY,
    why="Without a version each run installs whatever is newest, reviewed by nobody.",
    mend="Write the exact version of the chart, such as 2.0.3, or its digest in a registry.",
    judge=about(Release, judge),
)

ALLOWED = RELEASE

REFUSED = RELEASE.replace("2.0.3", '">= 2.0.0"')
