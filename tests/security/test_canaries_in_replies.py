"""A server that knows a key says it in whatever place of its reply: it comes out of none of ours.

The keys are those of the connection that was called, of another one of the same run, of an extra
header, and Google's token. Each test has a bare word beside the keys, which comes through.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.engine.network import transport
from llmwidgets.secret import Secret
from tests.google_keys import a_service_account
from tests.security.test_canaries import loud  # noqa: F401
from tests.servers import Handler, listening

KEY = "sk-test-0000/Qv7Xw2KpLr4TzB8n"
OTHER = "sk-test-1111/Jm4xZe9RtPu5Va7d"
HEADER = "made-up-Header/3Wd6uYb1NsGt0HcF5j"
TOKEN = "ya29.made-up-Token_5RtGh7JkLm9NpQ2s"
CONTROL = "made-up-Control/5Hd8sYq3MfWj6Nc2k"
KEYS = (KEY, OTHER, HEADER, TOKEN)
SCHEMA = {"title": "A", "type": "object", "properties": {"a": {"type": "string"}}}

SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": lambda word: word,
    "amid other words": lambda word: f"the key {word}, which",
    "base64": lambda word: base64.b64encode(word.encode()).decode(),
    "base64 amid others": lambda word: base64.b64encode(f"u:{word}:x".encode()).decode(),
    "base64 for addresses": lambda word: base64.urlsafe_b64encode(f"a{word}".encode()).decode(),
    "URL-encoded": lambda word: quote(word, safe=""),
    "URL-encoded letter by letter": lambda word: "".join(f"%{ord(each):02x}" for each in word),
    "JSON-escaped": lambda word: word.replace("/", "\\/"),
    "JSON-escaped letter by letter": lambda word: "".join(f"\\u{ord(each):04x}" for each in word),
    "HTML-escaped": lambda word: escape(word).replace("/", "&#x2F;"),
    "its first two thirds": lambda word: word[: len(word) * 2 // 3],
    "its last two thirds": lambda word: word[len(word) // 3 :],
}
"""How a word can be said; what undoes each of them is `shows`."""


def shows(said: str | bytes, word: str) -> bool:
    """Whether two thirds of the word, from either end, stand there in one of the spellings."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    size = len(word) * 2 // 3
    for part in (word[:size], word[-size:]):
        coded = (base64.b64encode(bytes(n) + part.encode()).decode()[4:-4] for n in range(3))
        forms = {part, quote(part, safe=""), part.replace("/", "\\/"), *coded,
                 "".join(f"%{ord(each):02x}" for each in part),
                 "".join(f"\\u{ord(each):04x}" for each in part),
                 part.replace("/", "&#x2F;")}  # fmt: skip
        forms |= {form.replace("+", "-").replace("/", "_") for form in forms}
        if any(form in text for form in forms):
            return True
    return False


def test_the_search_sees_every_spelling() -> None:
    for spell in SPELLINGS.values():
        assert shows(spell(CONTROL), CONTROL)


def chat(**places: Any) -> tuple[int, Any, dict[str, str]]:
    """An answer of the OpenAI chat format with other words in some places."""
    message = {"role": "assistant", "content": '{"a": "x"}', "refusal": None}
    message |= places.pop("message", {})
    choice = {"index": 0, "finish_reason": "stop", "message": message} | places.pop("choice", {})
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}  # fmt: skip
    return 200, {**body, **places}, {}


def error(status: int, **said: Any) -> tuple[int, Any, dict[str, str]]:
    return status, {"error": {"message": "no", "code": "invalid", **said}}, {}


PLACES: dict[str, Callable[[str], tuple[int, Any, dict[str, str]]]] = {
    "model": lambda word: chat(model=word),
    "id": lambda word: chat(id=word),
    "request id": lambda word: (*chat()[:2], {"x-request-id": word}),
    "content": lambda word: chat(message={"content": json.dumps({"a": word})}),
    "content that is no JSON": lambda word: chat(message={"content": f"I know {word}"}),
    "content of another schema": lambda word: chat(message={"content": json.dumps({word: 1})}),
    "refusal": lambda word: chat(message={"content": None, "refusal": word}),
    "finish reason": lambda word: chat(choice={"finish_reason": word}),
    "filter": lambda word: chat(
        choice={
            "finish_reason": "content_filter",
            "content_filter_results": {word: {"filtered": True}},
        }
    ),
    "tool": lambda word: chat(
        message={"tool_calls": [{"function": {"name": word, "arguments": word}}]}
    ),
    "message of 400": lambda word: error(400, message=word),
    "message of 401": lambda word: error(401, message=f"Incorrect API key provided: {word}."),
    "message of 404": lambda word: error(404, message=word, code="model_not_found"),
    "code": lambda word: error(400, code=word),
    "type and param": lambda word: error(400, type=word, param=word),
    "error that is a text": lambda word: (400, {"error": word}, {}),
    "detail": lambda word: (422, {"detail": [{"loc": ["body", word], "msg": word}]}, {}),
    "error inside 200": lambda word: (200, {"error": {"message": word, "code": 400}}, {}),
    "page": lambda word: (400, f"plain words {word}", {}),
    "header of a refusal": lambda word: (*error(400)[:2], {"request-id": word, "x-why": word}),
    "cookie": lambda word: (*chat()[:2], {"set-cookie": f"{word}={word}; Path=/{word}"}),
    "odd cookie": lambda word: (*chat()[:2], {"set-cookie": f'a="{word}; {word}/;=;{word}'}),
    "content type": lambda word: (*chat()[:2], {"content-type": f"{word}; charset={word}"}),
    "redirect": lambda word: (302, {}, {"location": f"https://elsewhere.example/{word}"}),
}


class _Far(Handler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, body, headers = self.server.answer(self.path)  # type: ignore[attr-defined]
        self.reply(status, body.encode() if isinstance(body, str) else body, headers)

    do_GET = do_POST


@pytest.fixture
def far() -> Iterator[Any]:
    """A server whose `answer` a test sets; `url` is where it is."""
    with listening(_Far) as server:
        server.answer = lambda path: chat()  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
        yield server


def two(url: str, key: str = KEY, other: str = OTHER) -> list[lw.Connection]:
    """Two connections of one run, the first with an extra header."""
    return [
        lw.Connection("custom", name="m", endpoint=f"{url}/v1", api_key=key, label="one",
                      headers={"X-Team": HEADER}),
        lw.Connection("custom", name="m", endpoint=f"{url}/v1", auth_token=other, label="two"),
    ]  # fmt: skip


def everything(result: lw.Comparison, folder: Path) -> Iterator[str | bytes]:
    """All that comes out of a run: looks, tables, files, pages, the panel, the journal."""
    for each in result:
        yield f"{each!r} {each.failure!r} {each.failure} {vars(each.failure or Exception())}"
        yield repr((each.data, each.reply_text, each.served_model, each.request_id, each.notes))
        yield repr(each.request)
    yield repr(result) + result._repr_html_() + repr(result.notes)
    yield result.scoreboard().to_json() + result.to_frame().to_json()
    yield result.differences().to_json() + repr(result.verdict())
    yield result.to_html(folder / "a.html", values=True).read_bytes()
    yield result.save(folder / "saved.json").read_bytes()
    yield result.to_csv(folder / "a.csv").read_bytes()
    yield result.to_jsonl(folder / "a.jsonl").read_bytes()
    yield result.to_label_studio(folder / "a.json").read_bytes()
    panel = result.explore()
    yield str(panel.get_state()) + repr(panel) + str(panel.state())
    panel.close()
    yield b"".join(path.read_bytes() for path in folder.glob("journal*"))


@pytest.mark.parametrize("place", PLACES)
def test_a_key_that_is_echoed_comes_out_nowhere(
    far: Any,
    tmp_path: Path,
    loud: Any,  # noqa: F811
    place: str,
) -> None:
    said: list[str | bytes] = []
    for number, key in enumerate((KEY, OTHER, HEADER)):
        far.answer = lambda _path, key=key: PLACES[place](key)
        connections = two(far.url)
        folder = tmp_path / f"{number}"
        folder.mkdir()
        result = lw.compare(SCHEMA, ["t"], connections, progress=False, journal=folder / "journal")
        report = lw.check(connections[0])
        said += [*everything(result, folder), f"{report} {vars_of(report)}"]
    assert [each for each in (*said, loud.getvalue()) for key in KEYS if shows(each, key)] == []
    far.answer = lambda _path: PLACES[place](CONTROL)
    folder = tmp_path / "control"
    folder.mkdir()
    result = lw.compare(SCHEMA, ["u"], two(far.url), progress=False, journal=folder / "journal")
    seen = [each for each in everything(result, folder) if shows(each, CONTROL)]
    assert seen or place in NOT_TOLD, "the bare word is seen"


NOT_TOLD = {
    "cookie", "odd cookie", "content type",
    "id", "tool", "finish reason", "type and param", "message of 401", "message of 404", "redirect",
    "header of a refusal", "detail", "message of 400", "content of another schema",
}  # fmt: skip
"""Places of which nothing at all is told, or not in each case."""


def vars_of(report: Any) -> str:
    return repr({name: getattr(report, name) for name in report.__dataclass_fields__})


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("place", ["model", "content", "message of 400", "request id"])
def test_a_key_in_another_spelling_comes_out_nowhere(
    far: Any, tmp_path: Path, spell: Callable[[str], str], place: str
) -> None:
    far.answer = lambda _path: PLACES[place](spell(KEY))
    result = lw.compare(SCHEMA, ["t"], two(far.url), progress=False, journal=tmp_path / "journal")
    assert [each for each in everything(result, tmp_path) if shows(each, KEY)] == []


def test_a_key_of_the_run_that_was_sent_nowhere_yet_comes_out_nowhere(
    far: Any, tmp_path: Path
) -> None:
    """The second connection's server is not there, so its key stays here; the first knows it."""
    far.answer = lambda _path: PLACES["model"](OTHER)
    first, _ = two(far.url)
    second = lw.Connection(
        "custom", name="m", endpoint="https://127.0.0.1:9/v1", api_key=OTHER, label="two",
        ca_bundle="/no/such.pem",
    )  # fmt: skip
    result = lw.compare(
        SCHEMA, ["t"], [first, second], progress=False, journal=tmp_path / "journal"
    )
    assert [each.status for each in result] == ["ok", "Unreachable"]
    assert [each for each in everything(result, tmp_path) if shows(each, OTHER)] == []


def test_the_rest_of_the_answer_stands_and_the_masked_one_is_judged(far: Any) -> None:
    """A mask is a text as any other: the record is valid, and the value is not right."""
    far.answer = lambda _path: chat(message={"content": json.dumps({"a": f"é {KEY} 漢"})})
    result = lw.compare(
        SCHEMA, ["t"], two(far.url)[:1], truth=[{"a": "x"}], progress=False, journal=False
    )
    (extraction,) = result
    assert (extraction.status, extraction.data) == ("ok", {"a": "é •••• 漢"})
    assert list(result.to_frame()["right"]) == [False]


@pytest.mark.parametrize("key", ["ollama", "EMPTY", "not-needed", "lm-studio", "20260101"])
def test_a_word_that_serves_as_a_key_is_left_in_the_answer(far: Any, key: str) -> None:
    """Servers of one's own take any word as a key; documents speak of them, and of years."""
    far.answer = lambda _path: chat(message={"content": json.dumps({"a": f"{key} it is"})})
    extraction = lw.extract(SCHEMA, "t", two(far.url, key=key)[0])
    assert extraction.data == {"a": f"{key} it is"}


def test_googles_token_and_credentials_come_out_nowhere(far: Any, tmp_path: Path) -> None:
    account = a_service_account(f"{far.url}/token")
    line = account["private_key"].splitlines()[3]
    answered = {"candidates": [{"content": {"parts": [{"text": json.dumps({"a": TOKEN + line})}]},
                                "finishReason": "STOP"}], "modelVersion": TOKEN, "responseId": line,
                "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 9}}  # fmt: skip

    def answer(path: str) -> tuple[int, Any, dict[str, str]]:
        if path == "/token":
            return 200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3599}, {}
        return 200, answered, {}

    far.answer = answer
    connection = lw.Connection(
        "vertex_ai", credentials=json.dumps(account), project="acme-1", base_url=far.url,
        location="global",
    )  # fmt: skip
    model = connection.models[0]
    result = lw.compare(
        SCHEMA, ["t"], [(connection, model)], progress=False, journal=tmp_path / "journal"
    )
    assert [each.status for each in result] == ["ok"]
    keys = (TOKEN, line)
    said = list(everything(result, tmp_path))
    assert [each for each in said for key in keys if shows(each, key)] == []


def test_a_check_of_googles_tells_no_part_of_the_credentials(far: Any) -> None:
    """The private key is sent nowhere; a server that knows it all the same says it."""
    account = a_service_account(f"{far.url}/token")
    line = account["private_key"].splitlines()[3]

    def answer(path: str) -> tuple[int, Any, dict[str, str]]:
        if path == "/token":
            return 200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3599}, {}
        return error(400, message=f"no {line} and {TOKEN} and {CONTROL}")

    far.answer = answer
    connection = lw.Connection(
        "vertex_ai", credentials=json.dumps(account), project="acme-1", base_url=far.url,
        location="global",
    )  # fmt: skip
    report = lw.check(connection)
    assert shows(vars_of(report), CONTROL)
    assert not shows(vars_of(report), line)
    assert not shows(vars_of(report), TOKEN)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    before=st.text(max_size=20), after=st.text(max_size=20), spell=st.sampled_from(list(SPELLINGS))
)
def test_wherever_a_key_stands_in_a_reply_it_is_masked_and_the_rest_is_not(
    before: str, after: str, spell: str
) -> None:
    """As JSON escapes what stands around it, or not."""
    secret = Secret(KEY)
    transport.watch_secrets([secret])
    for ascii_only in (True, False):
        said = json.dumps([before, SPELLINGS[spell](KEY), after], ensure_ascii=ascii_only)
        clean = transport.mask_secrets(said.encode("utf-8", "surrogatepass"))
        assert not shows(clean, KEY)
        found = json.loads(clean.decode("utf-8", "surrogatepass"))
        assert (found[0], found[2]) == (before, after)


@given(st.binary(max_size=200))
def test_a_reply_without_a_key_is_left_as_it_came(data: bytes) -> None:
    secret = Secret(KEY)
    transport.watch_secrets([secret])
    assert transport.mask_secrets(data) == data


def test_a_key_of_a_reference_that_changed_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MADE_UP_VARIABLE", KEY)
    secret = Secret("env:MADE_UP_VARIABLE")
    transport.watch_secrets([secret])
    monkeypatch.setenv("MADE_UP_VARIABLE", OTHER)
    transport.watch_secrets([secret])
    assert transport.mask_secrets(OTHER.encode()) == "••••".encode()


# -- a key in place of a name ----------------------------------------------------------------------

MISTAKES: dict[str, Callable[[str], object]] = {
    "a pair": lambda word: lw.extract(SCHEMA, "t", (openai(), word)),
    "a pair in a run": lambda word: lw.compare(SCHEMA, ["t"], [(openai(), word)], progress=False),
    "a reference": lambda word: lw.extract(SCHEMA, "t", f"openai/{word}"),
    "a bare reference": lambda word: lw.extract(SCHEMA, "t", word),
    "a variant": lambda word: lw.Variant(f"openai/{word}"),
    "a variant's pair": lambda word: lw.compare(SCHEMA, ["t"], [lw.Variant((openai(), word))]),
    "a variant's label": lambda word: lw.Variant("openai/m", label=word),
    "an estimate": lambda word: lw.estimate(SCHEMA, ["t"], [(openai(), word)]),
    "a name": lambda word: lw.Connection("custom", name=word, endpoint="http://127.0.0.1:9/v1"),
    "a label": lambda word: lw.Connection("openai", api_key="env:NONE", label=word),
    "another label": lambda word: openai().with_label(word),
    "a deployment": lambda word: lw.Connection(
        "azure_openai", deployment=word, endpoint="https://a.openai.azure.com", api_key="env:NONE"
    ),
    "a project": lambda word: lw.Connection("openai", api_key="env:NONE", project=word),
    "a user of the address": lambda word: at(f"http://{word}:x@127.0.0.1:9/v1"),
    "a password of the address": lambda word: at(f"http://u:{word}@127.0.0.1:9/v1"),
    "a key of the address": lambda word: at(f"http://127.0.0.1:9/v1?key={word}"),
    "another word of the address": lambda word: at(f"http://127.0.0.1:9/v1?mine={word}"),
    "the path of the address": lambda word: at(f"http://127.0.0.1:9/{word}/v1"),
    "a kind": lambda word: lw.Connection(word, api_key="env:NONE"),
    "a variable": lambda word: Secret(f"env:{word}").reveal(),
    "a file": lambda word: Secret(f"file:{word}").reveal(),
    "a rule": lambda word: lw.Store.in_memory().allow("openai", word),
    "a label of the store": lambda word: lw.Store.in_memory()[word],
}  # fmt: skip


def openai() -> lw.Connection:
    return lw.Connection("openai", api_key="env:NONE", base_url="http://127.0.0.1:9/v1")


def at(endpoint: str) -> lw.Connection:
    return lw.Connection("custom", name="m", endpoint=endpoint)


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize(
    "word", ["sk-test-000000000000000000000000", "AIzaSy0madeUp000000000000000"]
)
def test_a_key_in_place_of_a_name_is_not_repeated(
    mistake: Callable[[str], object], word: str
) -> None:
    with pytest.raises(lw.errors.LLMWidgetsError) as caught:
        mistake(word)
    error = caught.value
    told = f"{error} {error!r} {error.args} {vars(error)} {error._render_traceback_()}"
    assert word[:14] not in told


def test_the_connections_own_key_as_a_models_name_is_not_repeated() -> None:
    """Whatever its shape."""
    word = "made up by nobody at all"
    connection = lw.Connection("custom", name="m", endpoint="http://127.0.0.1:9/v1", api_key=word)
    store = lw.Store.in_memory()
    store.save(lw.Connection("openai", api_key=word, label="kept"))
    for mistake in (
        lambda: lw.extract(SCHEMA, "t", (connection, word)),
        lambda: lw.extract(SCHEMA, "t", f"kept/{word}", store=store),
        lambda: lw.estimate(SCHEMA, ["t"], [lw.Variant(f"kept/{word}")], store=store),
        lambda: connection.with_label(f"{word} too"),
        lambda: lw.Connection("custom", name=word, endpoint="http://127.0.0.1:9/v1", api_key=word),
    ):
        with pytest.raises(lw.errors.FieldError) as caught:
            mistake()
        assert word not in str(caught.value)


@pytest.mark.parametrize("before", [[], ["connections"], ["doctor"]])
def test_a_key_in_place_of_a_command_is_not_repeated(
    before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    word = "sk-test-000000000000000000000000"
    assert main([*before, word]) == 2
    said = capsys.readouterr()
    assert word[:14] not in said.out + said.err
    assert "llmwidgets" in said.err


NAMES = ("sk-learn", "gpt-6-luna", "org/task-2-model", "qwen3:8b", "hf_model", "Basic comparison",
         "eyJ-tools", "risk-2026-summary-of-everything")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_not_taken_for_a_key(name: str) -> None:
    assert lw.Variant(name, label=name).label == name
    assert lw.Connection("custom", name=name, endpoint="http://127.0.0.1:9/v1").label == name
