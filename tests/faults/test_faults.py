"""Every fault, with fewer seeds than `make faults` tries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.faults.fault import Fault, try_fault
from tests.faults.faults import FAULTS

if TYPE_CHECKING:
    from tests.faults.subject import Subject

pytestmark = [pytest.mark.mesh, pytest.mark.engine]

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "1")))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_one_command_heals(struck: Subject, fault: Fault, seed: int) -> None:
    try_fault(fault, struck, seed)
