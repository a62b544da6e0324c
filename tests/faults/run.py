"""Tries all faults and writes docs/reliability.md: `make faults`.

Environment: `FAULT_SEEDS` is how many seeds each is tried with (10), `FAULT_MESHES` how many meshes side by side (2).
With `FAULT`, only the one of that name is tried, with `FAULT_SEED` only that seed, with `SWITCH` only that row of
switches; then nothing is written.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.table import fault_section
from tests.hostile.table import hostile_section
from tests.switching.table import switch_section

if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS: tuple[Callable[[], str], ...] = (switch_section, fault_section, hostile_section)
"""Each tries something and returns its part of the page, in Markdown with a heading of its own."""


def main() -> None:
    if os.environ.keys() >= {"FAULT", "SWITCH"}:
        sys.exit("name a FAULT or a SWITCH; with both, neither is tried")
    parts = [section() for section in SECTIONS]
    text = "\n".join(
        [
            "# Reliability",
            "",
            "Written by `make faults`, on the real engine, a real Consul and real Envoys.",
            "",
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.",
            "",
            *parts,
        ]
    )
    print(text)  # noqa: T201 - the answer of this command
    if not os.environ.keys() & {"FAULT", "FAULT_SEED", "SWITCH"}:
        (Path(__file__).parents[2] / "docs" / "reliability.md").write_text(text)
    if "❌" in text:
        sys.exit(1)


if __name__ == "__main__":
    main()
