"""Runs all benchmarks and writes docs/performance.md. Each ratio is between two figures of the same run."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from tests.bench.growth import plot, table
from tests.bench.kubernetes import kubernetes_rows
from tests.bench.local import PAIR, ROUNDS, local_rows
from tests.bench.model import model_rows
from tests.bench.policies import policy_rows
from tests.bench.scale import PREVIEWS, scale_growths
from tests.kubernetes.conftest import CRDS

DOCS = Path(__file__).parents[2] / "docs"
HEAD = ("what", "figure", "floor, same run", "ratio", "goal")


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each start compiles anew what a `git pull` has changed
    if not CRDS.is_dir():
        sys.exit(f"the chart's definitions are not at {CRDS}; CONTRIBUTING.md says where they are from")
    rows = []
    for measure in (model_rows, local_rows, kubernetes_rows, policy_rows):
        for row in measure():
            print(f"{row.what}: {row.figure}", file=sys.stderr)  # noqa: T201 - it goes on for half an hour
            rows.append(row)
    growths = scale_growths()
    plot(growths, DOCS / "images" / "scale.png")
    text = "\n".join(
        [
            "# Performance",
            "",
            "Written by `make bench`; each ratio is between two figures of the same run.",
            "",
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.",
            f"Switches: median of {ROUNDS}, between {' and '.join(PAIR)}; the best of 3 starts.",
            "",
            "| " + " | ".join(HEAD) + " |",
            "|" + "---|" * len(HEAD),
            *(f"| {row.what} | {row.figure} | {row.floor} | {row.ratio} | {row.goal} |" for row in rows),
            "",
            "## Growth",
            "",
            "Made applications, each of whose services calls five others under a grant: two config entries a service.",
            "Previews and `up`s are of all of them at once, against a real Consul: the median of",
            f"{PREVIEWS} previews that take turns, and one `up`, into an empty state and an empty Consul.",
            "Exponents are fitted from 100 services on. As `posture up` runs the engine on a local stack, it records",
            "once, at the end ([ADR 15](adr/0015-an-up-records-once.md)); where it records as it goes, as in plain",
            "`pulumi up`, it writes its whole state twice for each resource, which grows faster than what is made.",
            "At the end of a program the SDK waits for outputs by looking at all that",
            "are left whenever some are there, in a time that varies severalfold from run to run; ours lets all",
            "registrations begin before (the last lines of `__main__.py`), and so does one of the bare programs.",
            "`posture preview` makes a pull request's comment: calls, limits, and what policies find, which it asks",
            "by itself ([ADR 16](adr/0016-a-comment-judges-what-the-engine-logs.md)). Under any policy pack the engine",
            "asks it twice about each resource, one after another: see the idle one. That adds to a preview of a bare",
            "program what it adds to ours, which is the shorter one.",
            "",
            *table(growths),
            "",
            "![Seconds over services, both logarithmic](images/scale.png)",
            "",
        ]
    )
    (DOCS / "performance.md").write_text(text)
    print(text)  # noqa: T201 - the answer of this command


if __name__ == "__main__":
    main()
