"""Vertex AI: Gemini models in a Google Cloud project, by a service account."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from datetime import date
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, Field

from llmwidgets.dialects import gemini as gemini_content
from llmwidgets.dialects.types import AuthHeader, Exchange, Target
from llmwidgets.providers import gemini
from llmwidgets.providers.base import (
    SDK,
    Advice,
    Environment,
    Fields,
    KeyPrefix,
    Link,
    ModelFacts,
    Part,
    Portal,
    Provider,
    SignIn,
    SignInFields,
    Step,
    Way,
    base_url_field,
    sign_in_field,
    spelled,
)
from llmwidgets.providers.urls import METADATA_HOST, host_of
from llmwidgets.secret import Secret

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL = "https://oauth2.googleapis.com/token"
STS_URL = "https://sts.googleapis.com/v1/token"
IAM_HOST = "iamcredentials.googleapis.com"
TOKEN_HOST = re.compile(r"accounts\.google\.com|.+\.googleapis\.com")
"""Where credentials may be exchanged for a token."""
_HOSTS = {"machine": METADATA_HOST, "federation": host_of(STS_URL)}

_ENDS = {
    "gemini-3.7-flash": (date(2027, 1, 28), "gemini-3.8-flash"),
    "gemini-3.5-flash": (date(2027, 5, 19), "gemini-3.8-flash"),
    "gemini-3.5-flash-lite": (date(2027, 7, 21), None),
}

RETIRED = gemini.RETIRED | {
    "gemini-3.6-flash": "gemini-3.8-flash",
    "gemini-2.5-pro": "gemini-3.8-flash",
    "gemini-2.5-flash": "gemini-3.5-flash-lite",
    "gemini-2.5-flash-lite": "gemini-3.5-flash-lite",
}


def _at_google_cloud(facts: ModelFacts) -> ModelFacts:
    if facts.id == "gemini-3.1-pro-preview":
        # A budget of 0 turns its thinking off here, and is refused by the Gemini API.
        off = {**facts.options, "budgets": {"none": 0}}
        return replace(facts, efforts=("none", *facts.efforts), options=off)
    if facts.id not in _ENDS:
        return facts
    ends, successor = _ENDS[facts.id]
    return replace(facts, status="ending", ends=ends, successor=successor)


MODELS = tuple(_at_google_cloud(facts) for facts in gemini.MODELS if facts.id not in RETIRED)
"""Google Cloud ends models on days of its own, earlier than the Gemini API."""


PROJECT = re.compile(r"[a-z0-9:.-]{4,60}")
"""The ID of a project."""


def _path(value: str) -> str:
    if value.lstrip().startswith("{"):
        message = "is the path of a file, not its content."
        raise ValueError(message)
    return value.removeprefix("file:")


Project = Annotated[
    str | None,
    spelled(
        PROJECT,
        "is not a project ID: it has lower-case letters, digits and - (the ID, not the name).",
    ),
    Field(
        title="Project ID",
        description="Default: the project of the credentials, or of GOOGLE_CLOUD_PROJECT.",
        examples=["acme-claims-123456"],
    ),
]
Location = Annotated[
    str | None,
    spelled(
        r"[a-z][a-z0-9-]{0,39}",
        "is not a location: write it as global, eu or europe-west4.",
        lower=True,
    ),
    Field(
        title="Location",
        description="Default: global; eu, us or a region keeps the texts there.",
        examples=["global", "eu", "us", "europe-west4", "us-central1"],
    ),
]
_ACCOUNT = spelled(
    r"[a-z0-9-]{1,63}@[a-z0-9.:-]{3,200}",
    "is not a service account: it is written as name@project.iam.gserviceaccount.com.",
)


class _GoogleCloudFields(SignInFields):
    read_url = gemini.without_version
    base_url: str | None = base_url_field(
        "Only for a company gateway, without a version at its end."
    )


class VertexFields(_GoogleCloudFields):
    """The fields of Vertex AI's form."""

    credentials: Secret = Field(
        title="JSON credentials",
        description="The key file of a service account: choose the file or paste its content.",
        examples=['{"type": "service_account", …}'],
    )
    project: Project = None
    location: Location = None


class MachineFields(_GoogleCloudFields):
    """The fields where this machine signs in: no key is asked for."""

    sign_in: Way = sign_in_field("machine")
    project: Project = None
    location: Location = None
    impersonate: Annotated[str | None, _ACCOUNT] = Field(
        default=None,
        title="Service account to act as",
        description="Default: the account that signs in itself.",
        examples=["reader@acme-claims-123456.iam.gserviceaccount.com"],
    )


class GcloudFields(MachineFields):
    """The fields where gcloud's own login is used."""

    sign_in: Way = sign_in_field("gcloud")


class FederationFields(MachineFields):
    """The fields where a file of workload identity federation is used."""

    sign_in: Way = sign_in_field("federation")
    credentials_file: Annotated[str, AfterValidator(_path)] = Field(
        title="Credentials file",
        description="The path of the external_account file on the machine where the kernel runs.",
        examples=["~/federation.json"],
    )


def _host(location: str) -> str:
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in {"us", "eu"}:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _auth(fields: Fields) -> AuthHeader:
    hosts: tuple[str, ...] = (_HOSTS.get(fields.way, host_of(TOKEN_URL)),)
    if isinstance(fields, VertexFields):
        return AuthHeader.bearer(fields.credentials, Exchange("google", SCOPE, hosts=hosts))
    assert isinstance(fields, MachineFields)
    if fields.impersonate:
        hosts += (IAM_HOST,)
    if fields.way == "machine":
        asked = None if fields.project or _project_of_variable() else "asked"
        machine = Exchange("google_machine", SCOPE, hosts=hosts)
        exchange = machine.given(impersonate=fields.impersonate, project=asked)
        return AuthHeader.bearer(Secret(""), exchange)
    path = fields.credentials_file if isinstance(fields, FederationFields) else gcloud_login()
    exchange = Exchange("google", SCOPE, hosts=hosts)
    exchange = exchange.given(way=fields.way, impersonate=fields.impersonate)
    return AuthHeader.bearer(Secret(f"file:{path}"), exchange)


def gcloud_login() -> str:
    """The path of the file in which gcloud keeps the login for other programs."""
    folder = os.environ.get("CLOUDSDK_CONFIG")
    if not folder:
        windows = os.environ.get("APPDATA", "") if sys.platform == "win32" else ""
        folder = os.path.join(windows or "~/.config", "gcloud")
    return os.path.join(os.path.expanduser(folder), "application_default_credentials.json")


def _project_of_variable() -> str:
    """The project that Google's own clients take if nothing names one; empty without."""
    named = os.environ.get("GOOGLE_CLOUD_PROJECT", "").strip()
    return named if PROJECT.fullmatch(named) else ""


def _target(fields: Fields, model: str) -> Target:
    assert isinstance(fields, VertexFields | MachineFields)
    location, auth = fields.location or "global", _auth(fields)
    project = (
        fields.project
        or auth.secret.public_part("project_id")
        or auth.secret.public_part("quota_project_id")
        or _project_of_variable()
        or "-"
    )
    base = f"{fields.base_url or _host(location)}/v1beta1"
    path = f"projects/{quote(project, safe=':')}/locations/{location}/publishers/google"
    return Target(
        url=f"{base}/{path}",
        model=model,
        auth=(auth,),
        options={"models_url": f"{base}/publishers/google/models", "page_size": 100},
    )


_CONSOLE = "https://console.cloud.google.com"
_LINKS = (
    Link("Open Google Cloud", _CONSOLE),
    Link("Turn on the API", f"{_CONSOLE}/apis/library/aiplatform.googleapis.com"),
)
_GIVE_ROLE = Link("Give the role", f"{_CONSOLE}/iam-admin/iam")
_API_STEP = "In a Google Cloud project with billing turn on the Vertex AI API."
_ROLE_STEP = "Give it the role Vertex AI User in the project, under IAM & Admin → IAM."
SIGN_INS = (
    SignIn(
        "machine",
        "This machine's account",
        MachineFields,
        (
            _API_STEP,
            "Run the notebook on Google Cloud: Vertex AI Workbench, Colab Enterprise, GKE or a"
            " virtual machine with a service account.",
            f"{_ROLE_STEP} Project ID and location are optional.",
        ),
        "No key is kept. The machine's metadata server gives a token for an hour, which stays in"
        " memory.",
        (*_LINKS, _GIVE_ROLE),
    ),
    SignIn(
        "gcloud",
        "gcloud's login",
        GcloudFields,
        (
            _API_STEP,
            "On the machine where the kernel runs: `gcloud auth application-default login`.",
            f"The one who logs in needs the role. {_ROLE_STEP}",
        ),
        "No key is kept. gcloud's own file is read at each exchange; tokens stay in memory.",
        (*_LINKS, Link("Install gcloud", "https://cloud.google.com/sdk/docs/install"), _GIVE_ROLE),
    ),
    SignIn(
        "federation",
        "Workload identity federation",
        FederationFields,
        (
            _API_STEP,
            "Make a workload identity pool and its file: gcloud iam workload-identity-pools"
            " create-cred-config, with --credential-source-file.",
            f"The identity, or the service account it acts as, needs the role. {_ROLE_STEP}",
        ),
        "No key is kept. The file is read at each exchange; it may name a file with a token, or"
        " an address of this machine, and never a program.",
        (
            *_LINKS,
            Link("Make an identity pool", f"{_CONSOLE}/iam-admin/workload-identity-pools"),
            _GIVE_ROLE,
        ),
    ),
)


def _sdk(fields: Fields, target: Target) -> SDK:
    project, _, location = target.url.split("/projects/")[-1].split("/")[:3]
    return SDK(
        module="google.genai",
        client="Client",
        arguments={
            "vertexai": True, "base_url": fields.base_url, "project": project, "location": location,
        },
        variables={
            "GOOGLE_CLOUD_PROJECT": project.removesuffix("-"),
            "GOOGLE_CLOUD_LOCATION": location,
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_VERTEX_BASE_URL": fields.base_url or "",
        },
    )  # fmt: skip


_TYPES = r'"type"\s*:\s*"(?:(?:impersonated_)?service_account|authorized_user|external_account)"'


def _warn(field: str, value: str) -> str | None:
    if field != "credentials":
        return None
    if not value.lstrip().startswith("{"):
        return "The credentials are a JSON text that starts with {; for a path write file:PATH."
    if not re.search(_TYPES, value):
        return "This JSON is not the key of a service account: it has another type."
    return None


_PORTAL = Portal(
    "vertex_ai",
    "Vertex AI: where the credentials file of a service account is made",
    "console.cloud.google.com/iam-admin/serviceaccounts",
    (
        Step("Under IAM & Admin open Service accounts."),
        Step("Open the account that has the role Vertex AI User."),
        Step("Go to its Keys."),
        Step("Choose Add key → Create new key → JSON."),
        Step("Choose the file that was downloaded.", "credentials"),
    ),
    (
        Part("heading", "Service accounts"),
        Part("row", "extractor@acme-claims-123456…", step=2),
        Part("tabs", "||Keys", "Keys", step=3),
        Part("heading", "Keys"),
        Part("button", "Add key → Create new key → JSON", step=4),
        Part("file", "acme-claims-123456-….json", step=5),
    ),
    menu=("IAM & Admin", "IAM", "", "Service accounts", ""),
    at="Service accounts",
    menu_step=1,
)

PROVIDER = Provider(
    kind="vertex_ai",
    title="Vertex AI",
    fields=VertexFields,
    links=(
        *_LINKS,
        Link("Get a key file", f"{_CONSOLE}/iam-admin/serviceaccounts"),
    ),
    steps=(
        _API_STEP,
        "Under IAM & Admin → Service accounts create a service account and give it the role "
        "Vertex AI User.",
        "Open it, choose Keys → Add key → Create new key → JSON: the credentials file is "
        "downloaded, once.",
        "Choose that file here, or paste its content. Project ID and location are optional: the "
        "file names the project, and global serves every model.",
    ),
    portals=(_PORTAL,),
    dialect=gemini_content,
    target=_target,
    sdk=_sdk,
    key_title="JSON credentials",
    sign_ins=SIGN_INS,
    models=MODELS,
    retired=RETIRED,
    single=True,
    warn=_warn,
    key_prefixes=(KeyPrefix("{"),),
    environment=Environment(
        file="GOOGLE_APPLICATION_CREDENTIALS", others=gemini.VARIABLES
    ),
    no_access=Advice(
        "The credentials are right, but the project has no access to {model} in {location}."
        "{ending}",
        "Ask the owner of the Google Cloud project: an organization policy can limit its models, "
        "or take another model.",
    ),
    rotation="In the Google Cloud console, under IAM & Admin → Service accounts → Keys, add a new "
    "key, save its file here, then delete the old key there.",
    price_provider="google",
    lists=False,
)  # fmt: skip
