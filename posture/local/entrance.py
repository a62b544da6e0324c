"""Waits for the gateway, the last to be ready: its listener and routes come with the config entries."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import httpx
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from posture.local.errors import MeshError
from posture.local.interrupts import interrupted_after
from posture.verify.answers import UPSTREAM_TIME, Answer

if TYPE_CHECKING:
    from posture.local.layout import Layout
    from posture.model.application import Gateway

__all__ = ["is_ready", "wait_for_page"]

_NO_ROUTE, _NO_SERVICE = 404, 503
"""What a gateway answers before its route has arrived, and before the service behind it has."""


def is_ready(answer: Answer) -> bool:
    """Whether a gateway that answers so has all it needs; a 404 may be the application's own."""
    if answer.status == _NO_ROUTE:
        return answer.passed_on
    return answer.status not in {None, _NO_SERVICE}


def wait_for_page(gateway: Gateway, layout: Layout, timeout: float = 30) -> None:
    """Return when the gateway answers with the service's own words, or with a refusal that a posture wants.

    Args:
        gateway: Whose first page; its host need not be a name that this machine knows.
        layout: Of the stack.
        timeout: Seconds.

    Raises:
        MeshError: It does not in time; with what it said last.
    """
    said, page = "nothing", gateway.page
    here = httpx.URL(page).copy_with(host="127.0.0.1")
    headers, names = {"Host": gateway.authority}, {"sni_hostname": gateway.host}
    context = ssl.create_default_context(cafile=str(layout.certificate))
    try:
        with httpx.Client(verify=context, timeout=10, trust_env=False) as client:
            for attempt in Retrying(
                retry=retry_if_exception_type((httpx.TransportError, _NotYetError)),
                stop=stop_after_delay(timeout),
                wait=wait_fixed(0.1),
            ):
                with attempt:
                    with interrupted_after():
                        answer = client.get(here, headers=headers, extensions=names)
                    said = f"{answer.status_code} {answer.text[:80]!r}"
                    if not is_ready(Answer(answer.status_code, answer.text, UPSTREAM_TIME in answer.headers)):
                        raise _NotYetError
    except RetryError:
        raise MeshError(f"the gateway does not serve {page}: it answered {said}; see {layout.log}") from None


class _NotYetError(Exception):
    """The gateway answers, and has not all it needs yet."""
