"""Made-up keys go through every surface that a process has; none shows them.

Each probe looks for two words: KEY, which went in as llmwidgets takes it, and CONTROL, which
went the same way bare and has to be found, so that the probe is known to see.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import ipywidgets
import pydantic
import pytest
from IPython.core.ultratb import FormattedTB
from ipywidgets.embed import dependency_state, embed_snippet
from rich.console import Console
from rich.traceback import Traceback

import llmwidgets as lw
from llmwidgets import ConnectionForm, ConnectionPanel
from llmwidgets.engine import event_loop
from llmwidgets.keyscan.search import find_leaks
from llmwidgets.known_keys import known_key
from llmwidgets.secret import Secret
from llmwidgets.store import age
from llmwidgets.store.document import connection_to_json
from tests.servers import Handler, listening
from tests.widgets.conftest import Wire

KEY = "made-up-Canary/7Q2vXw9KpLr4TzB8n"
HEADER = "made-up-Header/3Wd6uYb1NsGt0HcF5j"
CONTROL = "made-up-Control/5Hd8sYq3MfWj6Nc2k"
PASSPHRASE = "made-up crane violet anchor"
OURS = (KEY, HEADER, PASSPHRASE)
_SEARCHED = {word: known_key(word, Secret(word)) for word in (*OURS, CONTROL)}


def shows(said: str | bytes, word: str) -> bool:
    """Whether what was said holds the word: raw, in base64, as in a URL, or its first half."""
    data = said if isinstance(said, bytes) else said.encode("utf-8", "replace")
    whole = any(leak.kind.startswith(word) for leak in find_leaks(data, _SEARCHED[word]))
    return whole or word[: len(word) * 2 // 3].encode() in data


def clean(said: str | bytes) -> bool:
    """Whether none of our words is in it."""
    return not any(shows(said, word) for word in OURS)


def connected(
    url: str = "http://127.0.0.1:9", key: str | None = None, **more: Any
) -> lw.Connection:
    # A closure over the module's words: a frame of the test's own must not be what is found.
    return lw.Connection(
        "custom",
        name="m",
        endpoint=f"{url}/v1",
        **{"api_key": KEY if key is None else key, "headers": {"X-Team": HEADER}, **more},
    )


# -- errors ------------------------------------------------------------------------------------


def refused_fields() -> Iterator[Callable[[], object]]:
    """Calls that are refused while they hold the key: each kind of validation error."""
    for kind in lw.PROVIDERS:
        main = "credentials" if kind == "vertex_ai" else "api_key"
        yield lambda kind=kind, main=main: lw.Connection(kind, **{main: KEY, "nonsense": 1})
        yield lambda kind=kind, main=main: lw.Connection(kind, **{main: [KEY]})
        yield lambda kind=kind, main=main: lw.Connection(kind, **{main: {"a": KEY}})
        yield lambda kind=kind: lw.Connection(kind, api_kei=KEY)
        yield lambda kind=kind, main=main: lw.Connection(kind, **{main: KEY, "base_url": "x y"})
        yield lambda kind=kind, main=main: lw.Connection(kind, **{main: KEY, "headers": KEY})
        yield lambda kind=kind, main=main: lw.Connection(
            kind, **{main: KEY, "headers": {"Authorization": KEY}}
        )
        yield lambda kind=kind, main=main: lw.Connection(kind, **{main: KEY, "price": {"a": "b"}})
    yield lambda: lw.Connection(KEY, api_key=KEY)
    yield lambda: connected("http://models.example")
    yield lambda: lw.Connection("custom", name="m", endpoint="ftp://a.example", api_key=KEY)
    yield lambda: connected(label="a\nb")
    yield lambda: setattr(connected(), "label", "b")
    yield lambda: pickle.dumps(connected())
    yield lambda: pickle.dumps(Secret(KEY))
    yield lambda: age.Identity.parse(Secret(KEY))
    yield lambda: lw.Store.in_memory()["no-such"]
    yield lambda: lw.Store.create(passphrase=Secret(PASSPHRASE[:8]))


def crashes() -> Iterator[Callable[[], object]]:
    """Errors that are no sentence of ours, raised below us by something that breaks."""
    yield _broken_dialect
    yield _broken_server_trust
    store = lw.Store.in_memory()
    yield lambda: _in_store(store)
    yield lambda: connected().with_capability("m", 1 / 0)


SCHEMA = {"title": "A", "type": "object", "properties": {"a": {"type": "string"}}}


def _broken_dialect() -> None:
    connection = connected()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection.dialect, "encode", lambda request, target: 1 / 0)
        raise lw.extract(SCHEMA, "t", (connection, "m")).failure


def _broken_server_trust() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ssl.create_default_context", lambda **given: 1 / 0)
        raise lw.extract(SCHEMA, "t", (connected(ca_bundle="/no/such.pem"), "m")).failure


def _in_store(store: lw.Store) -> None:
    from llmwidgets.store import document as contents

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "with_connection", lambda *given, over: 1 / 0)
        store.save(connected())


def control_error() -> None:
    """A validation error as pydantic makes them, with the word bound in its frame."""
    bare = CONTROL  # noqa: F841 - what Verbose shows
    try:

        class Form(pydantic.BaseModel):
            api_key: int

        Form(api_key=CONTROL)
    except pydantic.ValidationError as error:
        message = f"refused {CONTROL}"
        raise ValueError(message) from error


def caught(raising: Callable[[], object]) -> BaseException:
    try:
        raising()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error
    pytest.fail("nothing was raised")


def own_frames(error: BaseException) -> Any:
    """The traceback without the frames of this file, whose own locals hold the words."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    return tb


def printed(error: BaseException, mode: str) -> str:
    """What IPython prints of it in a mode, without the frames of this file."""
    shown = FormattedTB(mode=mode, theme_name="nocolor", tb_offset=0)
    with contextlib.suppress(Exception):
        return shown.text(type(error), error, own_frames(error))
    return "".join(traceback.format_exception(type(error), error, own_frames(error)))


def hanging(error: BaseException) -> Iterator[BaseException]:
    """The error and all it came from or was raised amid, `from None` or not."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in seen:
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
    yield from seen


def captured(error: BaseException) -> str:
    """Every frame with its locals, by the standard library's `capture_locals`."""
    told = traceback.TracebackException(type(error), error, own_frames(error), capture_locals=True)
    return "".join(told.format(chain=False))


def shown_by_rich(error: BaseException) -> str:
    """Every frame with its locals, by rich's `show_locals`."""
    page = io.StringIO()
    shown = Traceback.from_exception(
        type(error), error.with_traceback(own_frames(error)), own_frames(error), show_locals=True,
        locals_max_string=None, locals_max_length=None,
    )  # fmt: skip
    Console(file=page, width=200).print(shown)
    return page.getvalue()


def told_by_itself(error: BaseException) -> str:
    """What it says and carries."""
    return f"{error!r} {error.args!r} {vars(error)!r} {getattr(error, '__notes__', '')}"


@cache
def every_error() -> list[BaseException]:
    """The errors themselves, raised once: what is shown of them differs."""
    return [caught(each) for each in (*refused_fields(), *crashes())]


MODES = ("Plain", "Context", "Verbose", "Minimal")


@pytest.mark.parametrize("mode", MODES)
def test_tracebacks_show_no_key(mode: str) -> None:
    errors = every_error()
    assert len(errors) > 60
    shown = [printed(error, mode) for error in errors]
    assert all(shown)
    assert [each for each in shown if not clean(each)] == []
    assert shows(printed(caught(control_error), mode), CONTROL)


@pytest.mark.parametrize("tool", [captured, shown_by_rich, told_by_itself])
def test_locals_contexts_and_arguments_of_errors_hold_no_key(tool: Callable[..., str]) -> None:
    """Also of the errors that were being handled: their `__context__` and `__cause__`."""
    errors = every_error()
    # Rich is slow; what differs between the kinds is shown by the standard library as well.
    few = errors[:3] + errors[8 * len(lw.PROVIDERS) :] if tool is shown_by_rich else errors
    shown = [tool(each) for error in few for each in hanging(error)]
    assert [each for each in shown if not clean(each)] == []
    assert shows(tool(careless_error()), CONTROL)


def careless_error() -> BaseException:
    """One that holds the bare word in its frames and in what it carries."""
    scope: dict[str, Any] = {"word": CONTROL}
    code = compile(
        "def careless():\n    kept = word\n    raise ValueError(kept)", "careless.py", "exec"
    )
    exec(code, scope)
    return caught(scope["careless"])


def test_what_hangs_on_an_error_is_looked_at() -> None:
    """The controls: a word that stands in the cause, or in a context that `from None` hides."""
    for raising in (_with_cause, _with_hidden_context):
        error = caught(raising)
        assert not shows(told_by_itself(error), CONTROL)
        assert shows("".join(map(told_by_itself, hanging(error))), CONTROL)


def _with_cause() -> None:
    try:
        raise ValueError(CONTROL)
    except ValueError as error:
        message = "something clean"
        raise RuntimeError(message) from error


def _with_hidden_context() -> None:
    try:
        raise ValueError(CONTROL)
    except ValueError:
        message = "something clean"
        raise RuntimeError(message) from None


def test_validation_errors_hold_no_key() -> None:
    """Nor their problems; a bare pydantic error does, also with its input hidden."""
    for raising in refused_fields():
        error = caught(raising)
        assert clean(f"{error} {error!r} {getattr(error, 'problems', '')} {error.args}")
    model = pydantic.create_model("Form", api_key=(int, ...))
    bare = caught(lambda: model(api_key=CONTROL))
    assert shows(str(bare.errors()), CONTROL)


@pytest.mark.parametrize("kind", [str, str.encode, list])
def test_a_refused_passphrase_stands_in_no_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[..., Any]
) -> None:
    """Given in clear by code that read it from a file, of a right or a wrong type."""
    store = lw.Store.create(path=tmp_path / "store", passphrase="made-up other words")
    store.export(tmp_path / "f", passphrase="made-up other words")
    shut = lw.Store.create(path=tmp_path / "shut", passphrase=PASSPHRASE)
    shut.lock()
    (tmp_path / "shut" / "connections.age").write_bytes(b"cut")
    calls = [
        lambda: lw.Store.create(path=tmp_path / "store", passphrase=kind(PASSPHRASE)),
        lambda: store.change_passphrase(kind(PASSPHRASE), "made-up third words"),
        lambda: store.change_passphrase("made-up wrong words", kind(PASSPHRASE)),
        lambda: store.new_identity(kind(PASSPHRASE)),
        lambda: store.preview(tmp_path / "f", passphrase=kind(PASSPHRASE)),
        lambda: store.preview(tmp_path / "none", passphrase=kind(PASSPHRASE)),
        lambda: store.preview(tmp_path / "f", identity=kind(KEY)),
        lambda: store.export(tmp_path / "f", passphrase=kind(PASSPHRASE)),
        lambda: store.unlock(kind(PASSPHRASE)),
        lambda: store.unlock(identity=kind(KEY)),
        lambda: shut.unlock(kind(PASSPHRASE)),
        lambda: shut.restore(passphrase=kind(PASSPHRASE)),
        lambda: Secret(kind(KEY) if kind is not str else KEY.encode()),
    ]
    for call in calls:
        error = caught(call)
        assert isinstance(error, lw.errors.LLMWidgetsError | TypeError), error
        told = [tool(each) for each in hanging(error) for tool in (captured, told_by_itself)]
        assert clean("".join([*told, printed(error, "Verbose")])), told


# -- values ------------------------------------------------------------------------------------


def test_pickles_copies_and_looks_hold_no_key(tmp_path: Path) -> None:
    connection, secret = connected(), Secret(KEY)
    store = lw.Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    store.save(connection)
    for each in (connection, secret, connection.fields, store):
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as refusal:
            pickle.dumps(each)
        assert clean(str(refusal.value))
    for each in (connection, copy.copy(connection), copy.deepcopy(connection), store,
                 connection.fields, connection.target("m"), connection_to_json(connection),
                 copy.deepcopy(connection_to_json(connection)), list(store)):  # fmt: skip
        looks = [
            repr(each),
            str(each),
            f"{each}",
            str(dir(each)),
            repr(getattr(each, "__dict__", "")),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydantic's own attributes that are deprecated
            looks += [repr(getattr(each, name, "")) for name in dir(each) if name[:2] != "__"]
        assert clean(" ".join(looks)), type(each)
    assert clean(connection.fields.model_dump_json() + repr(connection.fields.model_dump()))

    class Bare(pydantic.BaseModel):
        api_key: pydantic.SecretStr

    form = Bare(api_key=CONTROL)
    assert shows(pickle.dumps(form.api_key.get_secret_value()), CONTROL)
    assert shows(repr(vars(copy.deepcopy(form.api_key))), CONTROL)


def test_the_files_of_a_store_hold_no_key(tmp_path: Path) -> None:
    store = lw.Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    for number in range(3):
        store.save(connected(label=f"c{number}"))
    (tmp_path / "control").write_text(json.dumps({"api_key": CONTROL}))
    found = {
        path.name for path in tmp_path.rglob("*") if path.is_file() and not clean(path.read_bytes())
    }
    assert found == set()
    assert shows((tmp_path / "control").read_bytes(), CONTROL)


# -- calls -------------------------------------------------------------------------------------


class _Echo(Handler):
    """A server that sends back every header it was sent, in headers and in its words."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        said = {"error": {"message": f"no: {dict(self.headers)}", "code": "invalid"}}
        self.reply(401, said, {"x-echo": " ".join(self.headers.values())})

    do_POST = do_GET


@pytest.fixture
def echo() -> Iterator[str]:
    with listening(_Echo) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def loud() -> Iterator[io.StringIO]:
    """Everything that any logger says at DEBUG, with its traceback."""
    page = io.StringIO()
    handler = logging.StreamHandler(page)
    handler.setLevel(1)
    names = ("", "httpx", "httpcore", "aiohttp", "aiohttp.client", "asyncio", "llmwidgets")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(1)
    logging.getLogger().addHandler(handler)
    yield page
    logging.getLogger().removeHandler(handler)
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
    event_loop.stop_engine()


def ask(connection: lw.Connection, **more: Any) -> lw.Comparison:
    return lw.compare(SCHEMA, ["t"], [connection], progress=False, **more)


def test_debug_logs_of_real_calls_hold_no_key(echo: str, loud: io.StringIO, tmp_path: Path) -> None:
    """Even of a server that sends every header back; nor do the failure, the table, the journal."""
    journal = tmp_path / "journal.sqlite"
    report = lw.check(connected(echo))
    result = ask(connected(echo), journal=journal)
    (failed,) = list(result)
    said = loud.getvalue()
    with httpx.Client() as bare:
        bare.get(f"{echo}/v1?key={CONTROL}", headers={"api-key": CONTROL})
    assert clean(said)
    assert shows(loud.getvalue(), CONTROL)
    for name in ("httpx", "httpcore", "aiohttp.client"):
        at = len(loud.getvalue())
        logging.getLogger(name).debug("said %s", CONTROL)
        assert shows(loud.getvalue()[at:], CONTROL), f"{name} is not heard"
    assert clean(f"{report} {failed} {failed.failure!r} {failed.request}")
    assert failed.status == "Unauthorized"
    assert clean(result.scoreboard().to_json() + result.to_frame().to_json() + repr(result))
    labelled = ask(connected(echo, key="other-key-0001", label=CONTROL), journal=journal)
    held = b"".join(each.read_bytes() for each in tmp_path.glob("journal*"))
    assert clean(held)
    assert shows(held, CONTROL)
    pages = [result.to_html(tmp_path / "a.html", values=True).read_bytes(), result._repr_html_()]
    assert all(clean(each) for each in pages)
    assert shows(labelled.to_html(tmp_path / "b.html").read_bytes(), CONTROL)
    assert clean(result.save(tmp_path / "saved.json").read_bytes())


def test_an_unreachable_host_shows_no_key(loud: io.StringIO) -> None:
    report = lw.check(connected())
    assert not report
    assert clean(f"{report} {loud.getvalue()}")


# -- widgets -----------------------------------------------------------------------------------


def _embedded(widget: ipywidgets.Widget) -> str:
    """The page of this widget alone, whatever other tests left."""
    return embed_snippet(views=[widget], state=dependency_state([widget]))


def test_the_state_of_widgets_holds_no_key(tmp_path: Path) -> None:
    """Nor the page that ipywidgets embeds it in; a bare Password does."""
    store = lw.Store.create(path=tmp_path / "store", passphrase=PASSPHRASE)
    store.save(connected())
    shown = [ConnectionPanel(store), ConnectionForm("custom", store),
             lw.ComparisonPanel({"type": "object"}, ["t"], models=[connected()])]  # fmt: skip
    bare = ipywidgets.Password(value=CONTROL)
    for each in shown:
        assert clean(_embedded(each) + repr(each) + str(each.get_state()))
    assert shows(_embedded(bare), CONTROL)
    for each in (*shown, bare):
        each.close()


def test_a_callback_that_crashes_shows_no_key(loud: io.StringIO, monkeypatch, capfd) -> None:
    """An observer of the store that fails on a saved key: nothing but the class is told."""
    store = lw.Store.in_memory()

    def failing() -> None:
        kept = list(store)
        raise RuntimeError(f"failed with {kept}")

    store.observe(failing)
    store.save(connected())
    said = loud.getvalue()
    assert "RuntimeError" in said
    assert clean(said + "".join(capfd.readouterr()))
    unsafe = lw.Store.in_memory()

    def control() -> None:
        raise RuntimeError(CONTROL)

    unsafe.observe(control)
    unsafe.save(connected())
    assert shows(loud.getvalue(), CONTROL)


def test_a_form_that_crashes_shows_no_key(loud: io.StringIO, monkeypatch, capfd) -> None:
    """A key comes from the page, and saving it breaks: what the page, logs and screen are told."""
    form = ConnectionForm("custom", lw.Store.in_memory())
    page = Wire(form)
    page.send("hello")
    page.type_secret("api_key", KEY, form=page.form["key"])

    bare = CONTROL.removeprefix("made-up-")  # which is masked while a secret of that word lives

    def broken(contents: object, connection: lw.Connection, *, over: bool) -> None:
        message = f"{bare}: broken at {connection.fields.api_key.reveal()}"
        raise RuntimeError(message)

    monkeypatch.setattr("llmwidgets.store.document.with_connection", broken)
    values = {"name": "m", "endpoint": "http://127.0.0.1:9/v1"}
    page.submit("form.test", values=values, intent="save")
    page.submit("form.keep")
    said = json.dumps(page.messages) + repr(form) + str(form.get_state()) + str(form.last_error)
    said += loud.getvalue() + "".join(capfd.readouterr())
    assert bare in said, "the crash was reached, and is told"
    assert clean(said)
    form.close()


def test_an_uncaught_error_of_a_thread_shows_no_key(capsys) -> None:
    """What `sys.excepthook` and `threading.excepthook` print."""
    said = []
    for raising in (*list(refused_fields())[:8], control_error):
        error = caught(raising)
        sys.__excepthook__(type(error), error, own_frames(error))
        said.append(capsys.readouterr().err)
    assert all(clean(each) for each in said)
    assert shows(said[-1], CONTROL)
