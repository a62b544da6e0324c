"""A kubeconfig given as text is looked into by CP601: what lets its user in is a secret, and nothing else is."""

from __future__ import annotations

import pytest

from policies.inputs import Secret
from policies.judging import Pack, judge_resource
from policies.reading import of_pulumi
from policies.registry import RULES

CLUSTER = """\
apiVersion: v1
clusters:
- name: prod
  cluster: {server: "https://10.0.0.1", certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t}
users:
- name: ci
  user:
"""


def found(kubeconfig: object) -> list[str]:
    resource = of_pulumi("pulumi:providers:kubernetes", "cluster", {"kubeconfig": kubeconfig})
    return [each.words for each in judge_resource(RULES["CP601"], resource, Pack()) if each.refuses]


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("    client-key-data: LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0t", "client-key-data"),
        ("    token: b3BlbiBzZXNhbWU", "token"),
        ("    token:\n      b3BlbiBzZXNhbWU", "token"),
        ("    {username: admin, password: sesame}", "password"),
        ("    auth-provider: {name: oidc, config: {id-token: b3BlbiBzZXNhbWU}}", "id-token"),
    ],
)
def test_what_lets_a_user_in_is_refused(user: str, name: str) -> None:
    assert found(CLUSTER + user) == [f"holds a kubeconfig's {name} in plain text: kubeconfig"]
    assert found(Secret(CLUSTER + user)) == []


@pytest.mark.parametrize(
    "text", ['{"users":[{"user":{"token":"b3BlbiBzZXNhbWU"}}]}', " {users: [{user: {token: open}}]}"]
)
def test_json_on_one_line_is_looked_into_as_well(text: str) -> None:
    assert found(text) == ["holds a kubeconfig's token in plain text: kubeconfig"]


def test_one_given_as_a_map_is_looked_into_as_well() -> None:
    said = "holds a client-key-data in plain text: kubeconfig.users.0.user.client-key-data"
    assert found({"users": [{"user": {"client-key-data": "LS0tLS1CRUdJTiBF"}}]}) == [said]


def test_text_of_several_lines_that_can_not_be_read_is_refused() -> None:
    assert found("users: &all\n- user: *all\n") == ["holds an unreadable kubeconfig in plain text: kubeconfig"]


@pytest.mark.parametrize(
    "text",
    [
        "/home/ci/.kube/config",
        "~/token:/x",
        "%h/config",
        "",
        CLUSTER + "    tokenFile: /run/secrets/token",
        CLUSTER + "    {client-certificate: me.crt, client-key: me.key}",
        CLUSTER + "    token: ''",
        CLUSTER + "    exec: {command: get-token, args: ['--token: x'], env: [{name: REGION, value: eu}]}",
    ],
)
def test_a_path_and_what_only_says_where_a_secret_is_are_let_through(text: str) -> None:
    assert found(text) == []
