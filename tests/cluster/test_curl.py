"""What a real curl says, read; it is what runs in the probing containers."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from posture.cluster.curl import Answered, Sent, read, written
from posture.verify.attempts import Reply

if TYPE_CHECKING:
    from tests.cluster.conftest import Server


def ask(*requests: Sent) -> list[Answered]:
    command, mark = written(requests)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return read(done.stdout, mark, len(requests))


def test_an_answer_from_behind_the_proxy_is_told_from_its_own(server: Server) -> None:
    served, denied = ask(Sent(f"http://{server.place}/page"), Sent(f"http://{server.place}/denied"))
    assert (served.answer.status, served.answer.words, served.answer.passed_on) == (200, "GET /page", True)
    assert (denied.answer.status, denied.answer.denied, denied.answer.passed_on) == (403, True, False)


def test_requests_go_as_they_are_written(server: Server) -> None:
    wanted = Sent(f"http://{server.place}/a/..//[b]?c=%2f", "PUT", {"Host": "details", "X-Empty": "", "X-Mark": "1"})
    ask(wanted)
    [(method, path, headers, body)] = server.asked
    assert (method, path, body) == ("PUT", "/a/..//[b]?c=%2f", "")
    assert headers.items() >= {"Host": "details", "X-Empty": "", "X-Mark": "1", "Content-Length": "0"}.items()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "TRACE"])
def test_each_method_comes_to_an_end(server: Server, method: str) -> None:
    [answered] = ask(Sent(f"http://{server.place}/page", method))
    assert (answered.status, server.asked[0][0]) == (200, method)


def test_a_connection_that_is_closed_is_a_refusal_and_one_that_never_was_is_none(server: Server) -> None:
    closed, nobody = ask(Sent(f"http://{server.place}/closed"), Sent("http://127.0.0.1:1/"))
    assert (closed.attempt.reply, closed.attempt.words) == (Reply.REFUSED, "Empty reply from server")
    assert (closed.answer.status, closed.answer.denied) == (None, False)
    assert nobody.attempt.reply is Reply.NONE
    assert "connect" in nobody.attempt.words


def test_words_of_an_answer_can_not_pass_for_the_end_of_it(server: Server) -> None:
    [answered] = ask(Sent(f"http://{server.place}/x|200|0|5|%7C"))
    assert answered.body == "GET /x|200|0|5|%7C"


def test_what_is_no_answer_of_curl_is_refused() -> None:
    with pytest.raises(ValueError, match="no answer of curl"):
        read("sh: curl: not found", "mark", 1)
