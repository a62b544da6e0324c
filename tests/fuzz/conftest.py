"""One mesh for all tests here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fuzz.lab import a_lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.lab import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with a_lab(tmp_path_factory.mktemp("fuzz")) as lab:
        yield lab
