"""What Envoy makes of a path, held against what a real one forwarded.

`tests/golden/access/measured-paths.json` was measured, not written: Envoy 1.36.4 as the sidecar that Consul 1.22.7
configures, in front of a server that echoed the path it got (and that shows a leading `//` as `/`). A number is the
status of an answer that the proxy gave by itself.
"""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest

from posture.model.paths import AS_IT_COMES, Normalization, Refusal

MEASURED = json.loads((Path(__file__).parents[1] / "golden" / "access" / "measured-paths.json").read_text())
STRICT = Normalization(merge_slashes=True, escaped_slashes="REJECT_REQUEST", underscores="REJECT_REQUEST")


def of(settings: dict[str, object]) -> Normalization:
    return Normalization.of_mesh({"HTTP": {"Incoming": {"RequestNormalization": settings}}})


@pytest.mark.parametrize("measured", MEASURED, ids=lambda each: ",".join(map(str, each["normalization"].values())))
def test_paths_become_what_envoy_made_of_them(measured: dict[str, dict[str, object]]) -> None:
    rules = of(measured["normalization"])
    for path, answer in measured["answers"].items():
        found = rules.target(path)
        if isinstance(found, Refusal):
            assert found.status == answer, path
        else:
            assert ("/" + found.lstrip("/") if found.startswith("//") else found) == answer, path


def test_every_escape_is_decoded_or_kept_as_measured() -> None:
    unreserved = string.ascii_letters + string.digits + "-._~"
    for code in range(1, 256):
        for escape in (f"%{code:02x}", f"%{code:02X}"):
            decoded = chr(code) if chr(code) in unreserved else escape
            assert Normalization().target(f"/a{escape}c") == f"/a{decoded}c"


def test_every_byte_passes_is_escaped_or_is_refused_as_measured() -> None:
    escaped = {'"': "%22", "<": "%3C", ">": "%3E", "^": "%5E", "`": "%60", "{": "%7B", "|": "%7C", "}": "%7D"}
    for code in range(256):
        char = chr(code)
        if char in "?/":
            continue
        found = Normalization().target(f"/a{char}c")
        if char == "#" or not "!" <= char <= "~":
            assert isinstance(found, Refusal), code
        else:
            assert found == f"/a{'/' if char == chr(92) else escaped.get(char, char)}c", code


@pytest.mark.parametrize("path", ["/a/%2e%2e%2fb", "/a%5c..%5cb", "/a%2Fb", "/%2F"])
def test_escaped_slashes_are_refused_where_the_mesh_says_so(path: str) -> None:
    assert STRICT.target(path) == Refusal(400, "an escaped slash or backslash in the path")


@pytest.mark.parametrize("path", ["/a?x=%2f", "/a%252fb", "/a", "/"])
def test_other_paths_are_not_refused(path: str) -> None:
    assert STRICT.target(path) == path


def test_normalising_twice_changes_nothing_more() -> None:
    for path in MEASURED[0]["answers"]:
        once = STRICT.target(path)
        assert isinstance(once, Refusal) or STRICT.target(once) == once, path


def test_headers_with_underscores_are_kept_dropped_or_refused() -> None:
    # measured: kept under ALLOW, invisible to rules under DROP_HEADER, 400 under REJECT_REQUEST
    headers = {"X_Key": "v", "x-key": "w"}
    assert Normalization().headers(headers) == {"x_key": "v", "x-key": "w"}
    assert Normalization(underscores="DROP_HEADER").headers(headers) == {"x-key": "w"}
    assert STRICT.headers(headers) == Refusal(400, "a header with an underscore in its name")
    assert STRICT.headers({"x-key": "w"}) == {"x-key": "w"}


def test_a_gateway_takes_paths_as_they_come() -> None:
    for path in ("/a/../b", "/a//b", "/a%2fb", "/%61"):
        assert AS_IT_COMES.target(path) == path
