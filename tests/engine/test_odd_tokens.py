"""Tokens that are none, replies that cannot be read, and who else may use a token."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets import Connection, errors
from llmwidgets.connections import Policy
from llmwidgets.connections.policy_file import Patterns, Rules
from llmwidgets.dialects import gemini
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.store.document import UnreadableConnection, connection_from_json
from tests.entra import a_tool, take_away
from tests.google_cloud import (
    MODEL,
    READER,
    SUBJECT,
    GoogleCloud,
    a_login,
    an_external_account,
    bearer,
    by_file,
    connected,
    exchanged,
    refusal,
    written,
)

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
LOGIN = "application_default_credentials.json"
CANARY = "Canary-of-a-file-7Q2v"
WAYS = ("machine", "gcloud", "federation", "reader")
HUGE, LATER = int("9" * 400), "2099-01-01T00:00:00Z"


def by_way(cloud: GoogleCloud, ways: dict[str, dict[str, Any]], way: str) -> Connection:
    """A connection of each way; the reader's token comes from that of the machine."""
    if way == "reader":
        return connected(cloud, impersonate=READER)
    return connected(cloud, way, **ways[way])


def replies(way: str, reply: Any) -> dict[str, list[tuple[int, Any]]]:
    """What the one who gives this way its token says."""
    part = {"machine": "default/token", "reader": ":generateAccessToken"}.get(way, "/token")
    if way == "reader" and isinstance(reply, dict):
        reply = {"accessToken": reply.get("access_token"), "expireTime": reply.get("expires_in")}
    return {part: [(200, reply)]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("named", ["file:{folder}/planted", "env:PLANTED"])
def test_a_token_names_no_file_or_variable_to_be_sent(
    cloud, ways, tmp_path, monkeypatch, way, named
):
    """What a token service says is sent to the model's host as it is: it is no reference."""
    written(tmp_path, CANARY, "planted")
    monkeypatch.setenv("PLANTED", CANARY)
    token, lasts = named.format(folder=tmp_path), LATER if way == "reader" else 3599
    cloud.answers = replies(way, {"access_token": token, "expires_in": lasts})
    assert bearer(exchanged(by_way(cloud, ways, way))) == token


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "token",
    ["", " ", "a\r\nX-Injected: 1", "a\nb", "t\u00f8ken-0001", "\ud800", "a b", "a\0b",
     "x" * 70_000, 7, True, None, ["ya29.made-up-1"], {}],
    ids=lambda each: repr(each)[:20],
)  # fmt: skip
def test_what_is_no_token_is_sent_nowhere(cloud, ways, way, token):
    lasts = LATER if way == "reader" else 3599
    cloud.answers = replies(way, {"access_token": token, "expires_in": lasts})
    connection = by_way(cloud, ways, way)
    failure = lw.extract(SCHEMA, "Bill", (connection, MODEL), journal=False).failure
    assert isinstance(failure, errors.Unauthorized | errors.Unreachable)
    assert "token" in failure.message
    assert failure.hint
    assert cloud.asked("/publishers/") == []
    assert tokens._kept == {}


ENDLESS = [
    0, -5, "0", "abc", None, True, [], {}, HUGE, 1e308, float("inf"), float("-inf"), float("nan"),
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31",
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lasts", ENDLESS, ids=lambda each: repr(each)[:20])
def test_how_long_a_token_is_kept_is_bounded(cloud, ways, way, lasts):
    cloud.answers = replies(way, {"access_token": "ya29.made-up-1", "expires_in": lasts})
    try:
        assert bearer(exchanged(by_way(cloud, ways, way))) == "ya29.made-up-1"
    except errors.CallError as error:
        assert error.hint  # noqa: PT017
    assert all(kept.renew_at <= time.time() + 86_400 for kept in tokens._kept.values())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "reply",
    [b"<html>Log in</html>", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe\0", b"", b"[]", b"null",
     b"7", b'"x"', b'{"access_token": {"a": 1}}', b"{}", b"x" * (17 << 20)],
    ids=lambda each: repr(each[:20]),
)  # fmt: skip
def test_a_reply_that_cannot_be_read_is_a_sentence(cloud, ways, way, reply):
    cloud.answers = replies(way, reply)
    assert "{" not in refusal(by_way(cloud, ways, way)).message


@pytest.mark.parametrize(
    "path",
    ["a\0b", "~nobody-here/x", "\ud800", "x" * 5000, "%2fetc%2fpasswd", "../" * 30 + "etc/passwd",
     "~/../../../../../../../etc/passwd", "/proc/self/cwd/subject", "//etc/passwd", "/dev/fd/0", "",
     " ", "fifo", "/etc/../proc/self/environ", "/run/../proc/self/root/etc/passwd"],
    ids=lambda each: repr(each[:20]),
)  # fmt: skip
def test_a_path_that_leads_to_no_token_is_said(cloud, tmp_path, monkeypatch, path):
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.chdir(tmp_path)
    written(tmp_path, SUBJECT, "subject")
    error = refusal(by_file(cloud, tmp_path, an_external_account(cloud.url, {"file": path})))
    assert "file with the token" in error.message
    assert cloud.seen == []


@pytest.mark.parametrize("named", ["file:{folder}/planted", "env:PLANTED"])
def test_a_header_of_a_file_names_no_file_or_variable(cloud, tmp_path, monkeypatch, named):
    written(tmp_path, CANARY, "planted")
    monkeypatch.setenv("PLANTED", CANARY)
    value = named.format(folder=tmp_path)
    source = {"url": f"{cloud.url}/subject", "headers": {"X-Secret": value}}
    exchanged(by_file(cloud, tmp_path, an_external_account(cloud.url, source)))
    assert cloud.asked("/subject")[0].headers["x-secret"] == value


# -- Whose token it is, and who may use it.


def closed_to(host: str) -> Policy:
    rules = Rules(path=Path("policy.toml"), hosts=Patterns(None, (host,)))
    return Policy(layers=(rules,))


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_another_policy_let_in_is_not_used(cloud, ways, way):
    connection = by_way(cloud, ways, way)
    exchanged(connection)
    made = cloud.made
    with pytest.raises(errors.PolicyError, match=r"127\.0\.0\.1"):
        exchanged(connection, closed_to("127.0.0.1"))
    exchanged(connection, closed_to("elsewhere.example"))
    assert cloud.made == made


def test_who_waits_together_is_of_one_policy(cloud, ways):
    call = gemini.count_call(connected(cloud).target(MODEL))
    closed, open_ = closed_to("127.0.0.1"), closed_to("elsewhere.example")

    async def both(*policies: Policy) -> list[Any]:
        asked = (tokens.exchange_credentials(call, each) for each in policies)
        return await asyncio.gather(*asked, return_exceptions=True)

    for policies in ((closed, open_, open_), (open_, closed, closed)):
        tokens.forget_tokens()
        found = event_loop.run_blocking(both(*policies))
        refused = [isinstance(each, errors.PolicyError) for each in found]
        assert refused == [each is closed for each in policies], found
    assert cloud.made == 2


def test_a_hundred_connections_keep_a_token_each(cloud, tmp_path):
    accounts = [f"reader{number}@acme-1.iam.gserviceaccount.com" for number in range(100)]
    connections = [connected(cloud, impersonate=each) for each in accounts]
    first = [bearer(exchanged(each)) for each in connections]
    made = cloud.made
    assert [bearer(exchanged(each)) for each in connections] == first
    assert len(set(first)) == 100
    assert cloud.made == made


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [("ann@acme.example", True), ("a\x1b[31m@b.example", False), ("<img src=x>@b.example", False),
     ("--help@b.example", False), ("$(id)@b.example", False), ("a`id`@b.example", False),
     ("x" * 5000, False), ("a\u202eb@c.example", False), ("a;b@c.example", False)],
)  # fmt: skip
def test_what_is_no_name_is_not_shown_as_one(cloud, claimed, shown):
    cloud.answers = {"default/?recursive": [(200, {"email": claimed})]}
    connection = connected(cloud)
    report = lw.check(connection)
    assert dict(report.details).get("Signed in as", "") == (claimed if shown else "")


# -- What ends while a sign-in is under way.


def test_a_file_that_changes_meanwhile_keeps_no_token_of_the_other(cloud, ways, tmp_path):
    connection = connected(cloud, "gcloud", **ways["gcloud"])
    other = {**a_login(cloud.url), "refresh_token": "made-up-refresh-0002"}

    def give() -> str:
        written(tmp_path, other, LOGIN)
        return "ya29.made-up-1"

    cloud.token = give
    exchanged(connection)
    assert tokens._kept == {}


ALONE = """
import os, sys, threading, time
import llmwidgets as lw
connection = lw.Connection(
    "azure_openai", sign_in="entra", deployment="luna", endpoint="https://127.0.0.1:9/openai/v1"
)
threading.Thread(target=lambda: lw.check(connection), daemon=True).start()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print("hangs", flush=True)
{then}
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the tool is a script of the shell")
@pytest.mark.parametrize("then", ["", "lw.engine.event_loop.stop_engine()"])
def test_a_tool_that_hangs_does_not_hold_up_the_end(monkeypatch, tmp_path, then):
    """A process, as a kernel is, ends without waiting for what signs in: az is given 20 s."""
    tools = take_away(monkeypatch, tmp_path)
    notes = a_tool(tools, "exec /bin/sleep 60")
    code = ALONE.replace("{then}", then and f"import llmwidgets.engine.event_loop; {then}")
    words = [sys.executable, "-c", code, str(notes)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        # How long Python takes to start is not what is promised.
        begun = time.monotonic()
        process.wait(120)
    assert time.monotonic() - begun < 15


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_has_tokens_of_its_own(cloud):
    connection = connected(cloud)
    exchanged(connection)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        tokens.forget_tokens()
        os.write(write, bearer(exchanged(connection)).encode())
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100) == b"ya29.made-up-2"
    assert bearer(exchanged(connection)) == "ya29.made-up-1"
    os.close(read)
    os.close(write)


ODD = ["a\r\nX-Injected: 1", "t\u00f8ken", "\ud800", "a\0b"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_what_cannot_be_a_header_is_said_of_the_file(cloud, tmp_path, odd):
    """Not of a key, of which there is none."""
    written(tmp_path, {**a_login(cloud.url), "quota_project_id": odd}, LOGIN)
    assert "quota_project_id" in refusal(connected(cloud, "gcloud")).message
    for headers in ({"X-Secret": odd}, {odd: "x"}):
        source = {"url": f"{cloud.url}/subject", "headers": headers}
        error = refusal(by_file(cloud, tmp_path, an_external_account(cloud.url, source)))
        assert "headers that the file names" in error.message
    assert cloud.seen == []


@pytest.mark.parametrize(
    "way", [["entra"], {"a": 1}, {"entra"}, 7, True, "sso", b"entra"], ids=repr
)
def test_what_is_no_way_to_sign_in_is_said(way):
    with pytest.raises(errors.FieldError, match="its ways are key, entra"):
        Connection(
            "azure_openai", sign_in=way, deployment="d", endpoint="https://a.openai.azure.com"
        )


@pytest.mark.parametrize("way", [["entra"], {"a": 1}, 7, True, "sso", None], ids=repr)
def test_a_way_of_another_version_stays_in_the_store(way):
    fields = {"sign_in": way, "deployment": "d", "endpoint": "https://a.openai.azure.com"}
    data = {"kind": "azure_openai", "label": "mine", "fields": fields}
    kept = connection_from_json(data)
    assert isinstance(kept, UnreadableConnection)
    assert kept.with_label("other").json == {**data, "label": "other"}
