"""One mesh for all faults; each leaves it sound, or the next one begins with a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.subject import Subject, subject

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def struck() -> Iterator[Subject]:
    with subject() as found:
        yield found
