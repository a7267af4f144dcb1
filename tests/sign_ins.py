"""Every way to sign in without a key as a user fills it in, and a cloud on loopback for them.

A ready token of Entra ID lies in a file, from which a cell takes it into the environment: so it is
in no notebook. Google's tokens come from the cloud itself, which is the metadata server, the token
service and the model server at once.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmwidgets import PROVIDERS
from tests.servers import ModelServer, Seen

USER = "m.oliveira@acme.example"
MACHINE = "notebooks@acme-claims-123456.iam.gserviceaccount.com"
CANARY = "Canary7Q2vXw9KpLr4TzB8n"
GOOGLE_TOKEN = f"ya29.made-up-{CANARY}"


def _made_up_jwt(**claims: Any) -> str:
    parts = ({"alg": "none"}, {"aud": "made-up", **claims})
    spelled = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in parts)
    return ".".join((*(each.rstrip("=") for each in spelled), CANARY))


ENTRA_TOKEN = _made_up_jwt(upn=USER, exp=4102444800)
TOKENS = (ENTRA_TOKEN, GOOGLE_TOKEN, CANARY)
"""What may be nowhere but in memory and in the header of a call."""


@dataclass(frozen=True)
class SignedIn:
    """What is typed into one form without a key; `{url}` is the cloud, `{folder}` its files."""

    kind: str
    way: str
    plain: dict[str, str]
    said: str
    account: str = USER
    named: str = ""

    @property
    def title(self) -> str:
        return PROVIDERS[self.kind].title

    @property
    def way_title(self) -> str:
        return PROVIDERS[self.kind].ways[self.way]


_GOOGLE = {"Base URL": "{url}"}
SIGN_INS = {
    "azure-openai": SignedIn(
        "azure_openai", "entra",
        {"Deployment": "claims-luna", "Endpoint": "{url}/openai/v1"},
        "The deployment claims-luna answers.", named="claims-luna"),
    "foundry": SignedIn(
        "azure_ai_foundry", "entra",
        {"Model": "mistral-large-3",
         "Endpoint": "{url}/models/chat/completions?api-version=2024-05-01-preview"},
        "The server answers", named="mistral-large-3"),
    "claude-in-foundry": SignedIn(
        "azure_ai_foundry", "entra",
        {"Model": "claude-haiku-5-5", "Endpoint": "{url}/anthropic/v1/messages"},
        "The deployment claude-haiku-5-5 answers.", named="claude-haiku-5-5"),
    "machine": SignedIn(
        "vertex_ai", "machine", {"Project ID": "acme-claims-123456", **_GOOGLE},
        "models can be used", MACHINE),
    "gcloud": SignedIn(
        "vertex_ai", "gcloud", {"Project ID": "acme-claims-123456", **_GOOGLE},
        "models can be used", ""),
    "federation": SignedIn(
        "vertex_ai", "federation",
        {"Credentials file": "{folder}/federation.json", "Project ID": "acme-claims-123456",
         **_GOOGLE},
        "models can be used", ""),
}  # fmt: skip


_NO_ROLE = (
    "The principal `11111111-2222-3333-4444-555555555555` lacks the required data action "
    "`Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action` to perform "
    "`POST /openai/deployments/{deployment-id}/chat/completions` operation."
)
_NO_KEYS = "Key based authentication is disabled for this resource."


@dataclass
class Cloud(ModelServer):
    """A model server that takes tokens alone, and all that gives them.

    With `role` False nobody has the role that calls need.
    """

    role: bool = True
    refused: list[str] = field(default_factory=list)

    def answer(self, seen: Seen) -> tuple[Any, ...]:
        """A token for who asks for one; else what the model says, or why it does not."""
        if seen.path.startswith("/computeMetadata/"):
            return self._metadata(seen)
        if seen.path in {"/token", "/v1/token"}:
            return 200, {
                "access_token": GOOGLE_TOKEN,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer",
                "expires_in": 3599,
            }
        given = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if given not in TOKENS:
            self.refused.append(seen.path)
            return 403, {"error": {"code": "AuthenticationTypeDisabled", "message": _NO_KEYS}}
        if not self.role:
            return 401, {"error": {"code": "PermissionDenied", "message": _NO_ROLE}}
        return super().answer(seen)

    def _metadata(self, seen: Seen) -> tuple[Any, ...]:
        said: Any = {"email": MACHINE, "scopes": []}
        if seen.path.endswith("/token"):
            said = {"access_token": GOOGLE_TOKEN, "expires_in": 3599, "token_type": "Bearer"}
        elif seen.path.endswith("/email"):
            said = MACHINE.encode()
        elif seen.path.endswith("/project-id"):
            said = b"acme-claims-123456"
        return 200, said, {"metadata-flavor": "Google"}


def write_files(folder: Path, url: str) -> None:
    """What lies on the kernel's machine: a ready token, gcloud's login, a federation."""
    folder.mkdir(exist_ok=True)
    (folder / "entra-token").write_text(ENTRA_TOKEN)
    login = {
        "type": "authorized_user", "client_id": "made-up.apps.googleusercontent.com",
        "client_secret": f"made-up-secret-{CANARY}", "refresh_token": f"1//made-up-{CANARY}",
        "token_uri": f"{url}/token",
    }  # fmt: skip
    (folder / "application_default_credentials.json").write_text(json.dumps(login))
    (folder / "subject-token").write_text(_made_up_jwt(sub="made-up"))
    federation = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/"
        "providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/v1/token",
        "credential_source": {"file": str(folder / "subject-token")},
    }
    (folder / "federation.json").write_text(json.dumps(federation))


def cell(folder: Path, url: str, code: str) -> str:
    """A cell that runs where these files lie, and that names none of what is in them."""
    host = url.partition("://")[2]
    return (
        "import os, pathlib\nimport llmwidgets as lw\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "os.environ['AZURE_OPENAI_AD_TOKEN'] = (folder / 'entra-token').read_text()\n"
        f"os.environ |= {{'GCE_METADATA_HOST': {host!r}, 'CLOUDSDK_CONFIG': str(folder)}}\n"
        f"{code}"
    )


def fill_in(panel: Any, form: SignedIn, url: str, folder: Path) -> None:
    """Type what the form of the chosen way asks for."""
    panel.get_by_role("radiogroup", name="Sign in with").wait_for()
    for label, said in form.plain.items():
        box = panel.get_by_label(re.compile(f"^{label}( optional)?$"))
        folded = panel.locator("summary").filter(has_text=label)
        box.or_(folded).first.wait_for()  # the form of another way may still be there
        if not box.is_visible():
            folded.click()
        box.fill(said.format(url=url, folder=folder))
        box.blur()
