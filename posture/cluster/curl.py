"""Requests as curl sends them, each on a connection of its own, and what it says of the answers.

curl checks a certificate and the name on it together; a sidecar's bears a SPIFFE ID and no name. So it is told to check
neither, and to show the certificate (`%{certs}`, since curl 7.88), which is then checked here.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from posture.verify.answers import UPSTREAM_TIME, Answer
from posture.verify.attempts import Attempt, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Answered", "Sent", "read", "written"]

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_TIMEOUT = 10
_SHOWN = 100
_CLOSED = frozenset({35, 52, 55, 56})
"""curl's exit codes for a connection that was taken and then closed, within the handshake or after the request."""

_HAVE_A_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True)
class Sent:
    """A request.

    Args:
        url: Where it goes to; its path is sent as it is.
        method: Of HTTP.
        headers: `Host` among them where it is another than the URL's.
        options: More of curl's own.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Answered:
    """What curl says: the status, 0 for none, the beginning of the body, its exit code and its error's words.

    ``certificates`` are those that the other side has shown, in PEM, its own first.
    """

    status: int
    body: str
    passed_on: bool
    code: int
    error: str
    certificates: tuple[str, ...]

    @property
    def answer(self) -> Answer:
        """As an answer."""
        if not self.status:
            return Answer(None, self.error or f"curl ended with {self.code}")
        return Answer(self.status, self.body, self.passed_on)

    @property
    def attempt(self) -> Attempt:
        """As an attempt: answered, refused, or nothing that would tell."""
        if self.status:
            return Attempt(Reply.ANSWERED, f"HTTP {self.status}", self.status)
        return Attempt(
            Reply.REFUSED if self.code in _CLOSED else Reply.NONE, self.error or f"curl ended with {self.code}"
        )


def written(requests: Iterable[Sent]) -> tuple[list[str], str]:
    """The command that sends requests one after the other, and the mark that stands between its answers."""
    mark = secrets.token_hex(16)
    command = ["curl", "-q"]
    for position, each in enumerate(requests):
        command += ["--next"] if position else []
        command += _options(each, mark)
    return command, mark


def read(output: str, mark: str, count: int) -> list[Answered]:
    """What such a command has said of so many requests.

    Raises:
        ValueError: curl is too old, or it isn't curl.
    """
    parts = output.split(f"\n{mark}\n")
    if len(parts) != 2 * count + 1:
        raise ValueError(f"no answer of curl: {output[:200]!r}")
    return [_read(body, said) for body, said in zip(parts[::2], parts[1::2], strict=False)]


def _read(body: str, said: str) -> Answered:
    first, _, rest = said.partition("\n")
    status, code, passed_on, error = first.split("|", 3)
    return Answered(int(status), body[:_SHOWN], bool(passed_on), int(code), error, tuple(_PEM.findall(rest)))


def _options(sent: Sent, mark: str) -> list[str]:
    method = ["--head"] if sent.method == "HEAD" else ["--request", sent.method]
    headers = {**({"Content-Length": "0"} if sent.method in _HAVE_A_BODY else {}), **sent.headers}
    said = f"%{{http_code}}|%{{exitcode}}|%header{{{UPSTREAM_TIME}}}|%{{errormsg}}\\n%{{certs}}"
    return [
        *("--silent", "--http1.1", "--path-as-is", "--globoff", "--insecure", "--noproxy", "*"),
        *("--max-time", str(_TIMEOUT)),
        *method,
        # An empty value is written with a semicolon.
        *(
            part
            for name, value in headers.items()
            for part in ("--header", f"{name}: {value}" if value else f"{name};")
        ),
        *sent.options,
        *("--write-out", f"\\n{mark}\\n{said}\\n{mark}\\n"),
        sent.url,
    ]
