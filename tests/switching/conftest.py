"""One mesh for all tests here, to be moved about under the eyes of everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.switching.slow_mesh import switching_mesh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Project
    from tests.switching.switches import Switching


@pytest.fixture(scope="session")
def mesh(project: Project) -> Iterator[Switching]:
    with switching_mesh(project) as switching:
        yield switching
