"""A browser that looks at reports: the machine's Chromium, or the one that Playwright has put in place."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its module, for Playwright's event loop keeps others from having one of their own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        path = next((found for name in names if (found := shutil.which(name))), None)
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()
