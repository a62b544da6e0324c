from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import urllib3

from posture.cluster.kubeconfig import client_of
from posture.cluster.sending import ApiRequest, NoAnswerError, send

if TYPE_CHECKING:
    from kubernetes.client.api_client import ApiClient

    from tests.cluster.conftest import Server

TIMEOUT = urllib3.Timeout(5)


def client(place: str) -> ApiClient:
    kubeconfig = {
        "clusters": [{"name": "made", "cluster": {"server": f"http://{place}"}}],
        "users": [{"name": "made", "user": {"token": "a bearer"}}],
        "contexts": [{"name": "made", "context": {"cluster": "made", "user": "made"}}],
    }
    return client_of(kubeconfig, "made")


def test_a_request_is_sent_as_json_with_query_and_credentials(server: Server) -> None:
    request = ApiRequest("POST", "/api", {"dryRun": "All"}, {"a": 1}, {"Content-Type": "application/json"})
    assert send(client(server.place), request, TIMEOUT).status == 200
    [(method, path, headers, body)] = server.asked
    assert (method, path, body) == ("POST", "/api?dryRun=All", '{"a": 1}')
    assert headers["authorization"] == "Bearer a bearer"
    assert headers["Content-Type"] == headers["Accept"] == "application/json"


def test_a_server_that_asks_to_come_back_later_is_obeyed(server: Server) -> None:
    answer = send(client(server.place), ApiRequest("PUT", "/busy"), TIMEOUT)
    assert (answer.status, len(server.asked)) == (200, 3)


def test_a_refusal_is_an_answer(server: Server) -> None:
    assert send(client(server.place), ApiRequest("GET", "/denied"), TIMEOUT).status == 403


def test_no_answer_is_said_in_a_few_words_and_at_once(server: Server) -> None:
    with pytest.raises(NoAnswerError, match=r"^Remote end closed connection without response$"):
        send(client(server.place), ApiRequest("GET", "/closed"), TIMEOUT)
    assert len(server.asked) == 1
    with pytest.raises(NoAnswerError, match=r"^\[Errno 111\] Connection refused$"):
        send(client("127.0.0.1:1"), ApiRequest("GET", "/api"), TIMEOUT)
