"""All faults."""

from __future__ import annotations

from tests.faults.drift_faults import DRIFT_FAULTS
from tests.faults.engine_faults import ENGINE_FAULTS
from tests.faults.meeting_faults import MEETING_FAULTS
from tests.faults.process_faults import PROCESS_FAULTS
from tests.faults.state_faults import STATE_FAULTS

__all__ = ["FAULTS"]

FAULTS = (*ENGINE_FAULTS, *PROCESS_FAULTS, *STATE_FAULTS, *MEETING_FAULTS, *DRIFT_FAULTS)
