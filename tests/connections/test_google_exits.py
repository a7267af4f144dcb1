"""Google without a key by the two exits and as plain code: the same account, without a secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.connections.sdk_export import make_client
from llmwidgets.errors import LLMWidgetsError
from tests.comparison.test_plain_code import run_code
from tests.google_cloud import (
    MODEL,
    READER,
    GoogleCloud,
    a_login,
    an_external_account,
    an_impersonation,
    connected,
    impersonation_url,
    written,
)

WAYS = ("machine", "gcloud", "federation")
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


@pytest.fixture
def judged(cloud, ways, monkeypatch) -> GoogleCloud:
    """Google's client takes none of these addresses from a file or a variable by now."""
    from google.auth import iam
    from google.auth.compute_engine import _metadata
    from google.oauth2 import credentials

    monkeypatch.setattr(credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{cloud.url}/token")
    monkeypatch.setattr(iam, "_IAM_ENDPOINT", impersonation_url(cloud.url, "{}"))
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", cloud.host)
    monkeypatch.setenv("GCE_METADATA_IP", cloud.host)
    return cloud


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_the_vendors_client_signs_in_as_the_connection_does(judged, ways, way, acts):
    more = {"impersonate": READER} if acts else {}
    connection = connected(judged, way, **ways[way], **more)
    with connection.client() as client:
        client.models.generate_content(model=MODEL, contents="Bolt")
    sent = judged.seen[-1]
    assert sent.headers["authorization"] == f"Bearer ya29.made-up-{1 + acts}"
    assert "/projects/acme-1/locations/global/" in sent.line
    assert len(judged.asked(":generateAccessToken")) == acts


def test_the_client_asks_the_machine_for_its_project(judged, tmp_path, monkeypatch):
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    connection = lw.Connection("vertex_ai", sign_in="machine")
    with make_client(connection) as client:
        assert client._api_client.project == "acme-9"
    behind = lw.Connection("vertex_ai", sign_in="gcloud", label="mine")
    with pytest.raises(LLMWidgetsError, match="names none") as caught:
        behind.client()
    assert "project ID" in caught.value.hint


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_plain_code_runs_and_holds_no_secret(judged, ways, way, acts):
    more = {"impersonate": READER} if acts else {}
    code = plain(connected(judged, way, **ways[way], **more))
    assert not [word for word in ("made-up", "eyJ", "ya29", "api_key") if word in code]
    judged.seen.clear()
    assert run_code(code).total == 12.5
    assert judged.seen[-1].headers["authorization"].startswith("Bearer ya29.made-up-")
    assert len(judged.asked(":generateAccessToken")) == acts


def test_plain_code_leaves_the_project_to_the_machine(judged, ways, tmp_path, monkeypatch):
    assert "project" not in plain(connected(judged, project=None)).split("def extract")[0]


def plain(connection: lw.Connection) -> str:
    variant = lw.Variant((connection, MODEL), label="A")
    result = lw.compare(SCHEMA, ["Bill"], [variant], journal=False, progress=False)
    return result.code("A", plain=True)


@pytest.mark.parametrize("kind", ["login", "impersonated"])
@pytest.mark.filterwarnings(
    "ignore:.*is deprecated because of a potential security risk:DeprecationWarning"
)
def test_plain_code_of_a_file_of_another_type_runs_too(judged, tmp_path, kind):
    info: dict[str, Any] = a_login(judged.url)
    if kind == "impersonated":
        info = an_impersonation(judged.url, info)
    path = written(tmp_path, info | {"quota_project_id": "acme-1"}, "other.json")
    code = plain(connected(judged, "federation", credentials_file=path))
    assert run_code(code).total == 12.5


def test_a_path_below_the_home_is_looked_up_where_the_code_runs(judged, ways, monkeypatch):
    home = Path(os.environ["HOME"])
    source = {"file": written(home, "eyJ.made-up.subject", "subject")}
    written(home, an_external_account(judged.url, source), "federation.json")
    code = plain(connected(judged, "federation", credentials_file="~/federation.json"))
    assert 'os.path.expanduser("~/federation.json")' in code
    assert run_code(code).total == 12.5


@pytest.mark.parametrize("way", WAYS)
def test_inside_the_environment_googles_clients_sign_in_so(
    judged, ways, way, tmp_path, monkeypatch
):
    import google.auth
    from google.auth.transport.requests import Request

    fields = ways[way]
    if way == "machine":
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "none"))
    before = dict(os.environ)
    with connected(judged, way, **fields).environment():
        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        credentials, project = google.auth.default(scopes=scopes)
        credentials.refresh(Request())
        assert os.environ["GOOGLE_CLOUD_PROJECT"] == project == "acme-1"
    assert credentials.token.startswith("ya29.made-up-")
    kinds = {"machine": "compute_engine", "gcloud": "oauth2", "federation": "identity_pool"}
    assert kinds[way] in type(credentials).__module__
    assert dict(os.environ) == before


def test_what_no_variable_can_say_is_refused_with_the_way_on(judged, ways):
    before = dict(os.environ)
    login = connected(judged)  # and gcloud's login is there, which clients would take first
    acting = connected(judged, "gcloud", impersonate=READER)
    for connection, said in ((login, "gcloud's login"), (acting, "act as another")):
        with pytest.raises(LLMWidgetsError, match=said) as caught, connection.environment():
            pass
        assert "connection.client()" in caught.value.hint
    assert dict(os.environ) == before
    with connected(judged, "gcloud").environment():
        pass


@pytest.mark.parametrize("kind", ["login", "impersonated", "external"])
def test_a_credentials_file_of_each_type_makes_a_client(judged, ways, tmp_path, kind):
    info: dict[str, Any] = a_login(judged.url)
    if kind == "impersonated":
        info = an_impersonation(judged.url, info)
    if kind == "external":
        info = json.loads(Path(ways["federation"]["credentials_file"]).read_text("utf-8"))
    path = written(tmp_path, info, "mine.json")
    fields = {"project": "acme-1", "base_url": judged.url, "credentials": f"file:{path}"}
    with lw.Connection("vertex_ai", **fields).client() as client:
        client.models.generate_content(model=MODEL, contents="Bolt")
    number = 2 if kind == "impersonated" else 1
    assert judged.seen[-1].headers["authorization"] == f"Bearer ya29.made-up-{number}"
