"""By every way to sign in: what a run, a panel and a store leave holds no token and no secret."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Iterator

import pytest
from ipywidgets.embed import dependency_state, embed_snippet

import llmwidgets as lw
from llmwidgets.store.document import connection_to_json
from tests.engine.conftest import Seen
from tests.entra import SECRET
from tests.exchanges import FEDERATED, IDENTITY, WAYS, Begin, exchanging
from tests.google_cloud import SUBJECT
from tests.google_keys import a_private_key

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
TOKENS = ("ya29.made-up-", "made-up-signature-")
EXCHANGED = (SECRET, FEDERATED, IDENTITY, SUBJECT, "made-up-secret-0001", "made-up-refresh-0001",
             a_private_key().splitlines()[5])  # fmt: skip


def shown(said: object) -> list[str]:
    """The tokens and secrets that are in it."""
    data = said if isinstance(said, bytes) else str(said).encode("utf-8", "replace")
    return [word for word in (*TOKENS, *EXCHANGED) if word.encode() in data]


@pytest.fixture
def begin(request, monkeypatch, tmp_path) -> Iterator[Begin]:
    with exchanging(request, monkeypatch, tmp_path) as start:
        yield start


def at_services(far: object) -> list[Seen]:
    ends = (getattr(far, name, None) for name in ("end", "signs_in", "resource"))
    return [seen for end in ends if end is not None for seen in end.seen]


@pytest.mark.parametrize("refused", [False, True], ids=["accepted", "refused"])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_is_left_shows_a_token(begin, way, refused, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    there, left = begin(way), tmp_path / "left"
    left.mkdir()
    there.far.bad = set(range(100)) if refused else set()
    connection = there.connection.with_label("mine")
    models = [(connection, there.model)]
    store = lw.Store.create(path=left / "store", passphrase="made-up crane violet")
    store.save(connection)
    report = lw.check(connection)
    result = lw.compare(SCHEMA, ["Bill"], models, journal=left / "run.db", progress=False)
    (one,) = result
    assert one.status == ("Unauthorized" if refused else "ok"), one.failure
    result.to_html(left / "page.html", values=True)
    result.save(left / "saved.llmw")
    panels = [lw.ConnectionPanel(store), lw.ComparisonPanel(SCHEMA, ["Bill"], models=models)]
    said = [
        caplog.text, report, one, repr(one.failure), one.notes, result, result._repr_html_(),
        json.dumps(one.request, default=repr), result.to_frame().to_json(), list(store),
        connection_to_json(connection) if way != "key" else "", connection.target(there.model),
        copy.deepcopy(connection), copy.deepcopy(connection.fields), vars(connection.fields),
        *(embed_snippet(views=[each], state=dependency_state([each])) for each in panels),
        *(each.get_state() for each in panels),
        *(path.read_bytes() for path in left.rglob("*") if path.is_file()),
    ]  # fmt: skip
    for each in panels:
        each.close()
    for each in said:
        assert shown(each) == []
    for each in (connection, connection.target(there.model)):
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(each)
    # The search would find them: the services have seen them.
    assert any(shown(str(seen.headers)) for seen in at_services(there.far))
