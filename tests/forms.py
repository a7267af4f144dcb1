"""Every kind's form as a user fills it in, for a server on loopback that speaks every dialect."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from llmwidgets import PROVIDERS
from tests.google_keys import a_service_account
from tests.kinds import address_field, fields_of

AZURE_KEY = "0123456789abcdef0123456789aba91c"


@dataclass(frozen=True)
class Filled:
    """What is typed into one form; `{url}` stands for the server's address.

    `place` is the field that leads to the server. `said` stands in the panel after the test.
    """

    kind: str
    models: tuple[str, ...]
    place: tuple[str, str]
    said: str
    plain: dict[str, str] = field(default_factory=dict)
    secret: tuple[str, str] = ("API key", "")


# What is typed beside what the kind's own examples say: keys of the right shape, models of every
# state, an address as the provider's pages show it.
_TYPED: dict[str, dict[str, Any]] = {
    "openai": {"models": ("gpt-6-luna", "gpt-6-sol", "gpt-5", "gpt-9-nova"),
               "secret": ("API key", "sk-proj-made-up-0004711-3fQz")},
    "gemini": {"models": ("gemini-3.8-flash", "gemini-2.5-flash"),
               "secret": ("API key", "AQ.made-up-0004711-81fc")},
    "anthropic": {"models": ("claude-haiku-5-5", "claude-sonnet-4-5"),
                  "secret": ("API key", "sk-ant-api03-made-up-04711-7Qva")},
    "azure_openai": {"place": ("Endpoint", "{url}/openai/deployments/claims-luna/chat/completions"
                               "?api-version=2025-01-01-preview"),
                     "plain": {"Deployment": "claims-luna"},
                     "said": "The deployment claims-luna answers."},
    "azure_ai_foundry": {"place": ("Endpoint", "{url}/models/chat/completions"
                                   "?api-version=2024-05-01-preview")},
    "custom": {"models": ("llama3.2", "qwen3", "embed-small"),
               "secret": ("API key", "made-up-key-0004711-c04e")},
}  # fmt: skip


def _form(kind: str) -> Filled:
    provider, fields = PROVIDERS[kind], PROVIDERS[kind].fields.model_fields
    typed = fields_of(kind, "{url}", AZURE_KEY)
    secret = next(name for name in typed if name in ("api_key", "credentials"))
    place = address_field(kind)
    plain = {str(fields[name].title): typed[name] for name in typed
             if fields[name].annotation is str and name != place}  # fmt: skip
    told = {
        "models": (provider.models[0].id,) if provider.single and provider.lists else (),
        "place": (str(fields[place].title), typed[place]),
        "said": "models can be used" if provider.single else "The server answers and accepts",
        "plain": plain,
        "secret": (str(fields[secret].title), "" if secret == "credentials" else typed[secret]),
    }
    return Filled(kind, **{**told, **_TYPED.get(kind, {})})


def credentials(url: str) -> str:
    """A service account's file whose key belongs to nobody; tokens come from the server."""
    project = "acme-claims"
    email = f"reader@{project}.iam.gserviceaccount.com"
    account = {**a_service_account(f"{url}/token"), "project_id": project, "client_email": email}
    return json.dumps(account)


FORMS = tuple(_form(kind) for kind in PROVIDERS)


def open_kind(panel: Any, kind: str) -> None:
    """Open an empty form of a kind in a connection panel."""
    title = PROVIDERS[kind].title  # type: ignore[index]
    add = panel.get_by_role("button", name=f"Add a connection: {title}")
    (add if add.count() else panel.locator("nav").get_by_role("button", name=title)).first.click()
    panel.get_by_role("heading", name=title, exact=True).wait_for()


def fill(panel: Any, form: Filled, url: str) -> None:
    """Type everything; the secret last, as it leaves the page at once."""
    for label, said in form.plain.items():
        panel.get_by_label(label, exact=True).fill(said)
    name, place = form.place
    if name == "Base URL":
        # A state may open it at any moment, and a click would close it then.
        folded = panel.locator("details").filter(has_text="Base URL")
        folded.evaluate("each => { each.open = true; }")
    panel.get_by_label(re.compile(f"^{name}( optional)?$")).fill(place.replace("{url}", url))
    label, secret = form.secret
    field_ = panel.get_by_role("textbox", name=label) if not secret else panel.get_by_label(label)
    field_.fill(secret or credentials(url))
    field_.blur()
    panel.get_by_text("Received").first.wait_for()


def proposed_words(panel: Any) -> str:
    """The passphrase that the screen which makes the store proposes."""
    panel.get_by_text("of 2,048, 66 bits").wait_for()
    listed = panel.get_by_label("Proposed passphrase").get_by_role("listitem")
    listed.filter(has_not_text="…").last.wait_for()
    return " ".join(listed.all_inner_texts())


def make_store(panel: Any, passphrase: str) -> None:
    """On the screen that makes the store: a passphrase of one's own, the identity kept."""
    panel.get_by_role("button", name="Type my own").click()
    panel.get_by_label("Passphrase").fill(passphrase)
    panel.get_by_label("The same again").fill(passphrase)
    panel.get_by_label("I keep it somewhere other than this computer").check()
    panel.get_by_role("button", name="Create store").click()


def send_and_save(panel: Any, form: Filled) -> None:
    """Press the button that leads on, and wait for what the check says."""
    panel.get_by_role("button", name="Test and save").click()
    panel.get_by_text("Saved.").wait_for()
    panel.get_by_text(form.said).first.wait_for()
