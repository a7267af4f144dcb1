"""Outlets: the two named exits, by which a key leaves for other code of the user's.

Behind them none of the promises hold: no policy is asked, no journal is kept, and the vendor's
client, or every part of the process, can show, log or pass on the key.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.outlet_variables import OWNED, Plain, plain_of, plain_variables
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection

_PACKAGES = {"openai": "openai", "anthropic": "anthropic", "google.genai": "google-genai"}
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_one_at_a_time = threading.Lock()


def client(connection: Connection) -> Any:
    """The vendor's own client for this connection, ready to be called: an exit from the promises.

    LLMWidgetsError with the pip command where its package is not installed.
    """
    plain = plain_of(connection)
    package = _package(plain)
    try:
        return _MAKERS[plain.client](package, connection, plain)
    except LLMWidgetsError:
        raise
    except Exception as error:  # noqa: BLE001 - its frames hold the key
        name = type(error).__name__
    message = f"The client {plain.client} of {connection.label} could not be made ({name})."
    raise LLMWidgetsError(message, f"Update it: pip install -U {_PACKAGES[plain.package]}.")


@contextmanager
def environment(connection: Connection) -> Iterator[None]:
    """The connection in the variables that vendors' clients read: an exit from the promises.

    For the whole process, its threads and the children it starts meanwhile; one at a time
    (LLMWidgetsError for a second); what was set before comes back at the end, also after an error.
    """
    if not _one_at_a_time.acquire(blocking=False):
        message = "The environment of another connection is in force in this process."
        raise LLMWidgetsError(message, "End its with block first.")
    try:
        names = OWNED[connection.kind]
        before = {name: os.environ[name] for name in names if name in os.environ}
        try:
            with _set(connection):
                yield
        finally:
            for name in names:
                os.environ.pop(name, None)
            os.environ.update(before)
            before.clear()
    finally:
        _one_at_a_time.release()


@contextmanager
def _set(connection: Connection) -> Iterator[None]:
    plain, secret = plain_of(connection), _main(connection)
    # Set before the others are taken away: a reference may lead to one of these very variables.
    for name in plain.key_variables:
        if not _put(name, secret):
            message = f"The key of {connection.label} cannot be put into an environment variable."
            raise LLMWidgetsError(
                message, "Copy the key again; it contains characters that no key has."
            )
    with _file_of(connection) as file:
        told = {**plain_variables(connection, plain), **file}
        # A variable left over could send the key to another host.
        for name in set(OWNED[connection.kind]) - {*plain.key_variables, *told}:
            os.environ.pop(name, None)
        os.environ.update(told)
        yield


def _put(name: str, secret: Secret | None) -> bool:
    # What is raised for a value that does not fit holds the value.
    try:
        os.environ[name] = secret.reveal() if secret else "none"
    except ValueError:
        return False
    return True


@contextmanager
def _file_of(connection: Connection) -> Iterator[dict[str, str]]:
    """Where Google's clients find the credentials: their own file, else memory, never a disk."""
    name, secret = "GOOGLE_APPLICATION_CREDENTIALS", connection.secret_fields.get("credentials")
    if secret is None:
        yield {}
        return
    if secret.reference and secret.reference.startswith("file:"):
        yield {name: os.path.expanduser(secret.reference.removeprefix("file:"))}
        return
    if not hasattr(os, "memfd_create"):
        message = "The credentials would have to be written to a file in clear here."
        raise LLMWidgetsError(message, 'Keep the file yourself: credentials="file:PATH".')
    descriptor = os.memfd_create("credentials", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, secret.reveal().encode("utf-8", "replace"))
        yield {name: f"/proc/{os.getpid()}/fd/{descriptor}"}
    finally:
        os.close(descriptor)


def _package(plain: Plain) -> Any:
    try:
        return import_module(plain.package)
    except ImportError:
        pass
    name = _PACKAGES[plain.package]
    message = f"The package {name}, which this connection's client comes from, is not installed."
    raise LLMWidgetsError(message, f"Install it with: pip install {name}.")


def _openai(openai: Any, connection: Connection, plain: Plain) -> Any:
    fields, key = connection.fields, _main(connection)
    made = openai.OpenAI(
        api_key=key.reveal() if key else "none",
        base_url=plain.base_url,
        default_query=dict(plain.query) or None,
        default_headers=_headers(connection, all_auth=connection.kind != "openai"),
        http_client=_http_client(openai.DefaultHttpxClient, connection),
    )
    return _of(made, getattr(fields, "organization", None), getattr(fields, "project", None))


def _of(made: Any, organization: str | None, project: str | None) -> Any:
    # Given to the call, None would be read as: whatever variables of the user's say.
    made.organization, made.project = organization, project
    return made


def _azure(openai: Any, connection: Connection, plain: Plain) -> Any:
    key = _main(connection)
    made = openai.AzureOpenAI(
        api_key=key.reveal() if key else "none",
        azure_endpoint=plain.base_url,
        azure_deployment=plain.deployment or None,
        api_version=plain.api_version,
        default_headers=_headers(connection, all_auth=False),
        http_client=_http_client(openai.DefaultHttpxClient, connection),
    )
    return _of(made, None, None)


def _anthropic(anthropic: Any, connection: Connection, plain: Plain) -> Any:
    key = _main(connection)
    foundry = connection.kind == "azure_ai_foundry"
    make = anthropic.AnthropicFoundry if foundry else anthropic.Anthropic
    return make(
        api_key=key.reveal() if key else None,
        base_url=plain.base_url,
        default_headers=_headers(connection, all_auth=not foundry),
        http_client=_http_client(anthropic.DefaultHttpxClient, connection),
    )


def _gemini(genai: Any, connection: Connection, plain: Plain) -> Any:
    key = _main(connection)
    return genai.Client(
        vertexai=False,
        api_key=key.reveal() if key else None,
        http_options=_http_options(connection, plain),
    )


def _vertex(genai: Any, connection: Connection, plain: Plain) -> Any:
    from google.oauth2 import credentials as user
    from google.oauth2 import service_account

    secret = connection.secret_fields["credentials"]
    of_a_user = secret.public_part("type") == "authorized_user"
    make: Callable[..., Any] = (
        user.Credentials.from_authorized_user_info
        if of_a_user
        else service_account.Credentials.from_service_account_info
    )
    credentials = make(json.loads(secret.reveal()), scopes=[_SCOPE])
    return genai.Client(
        vertexai=True,
        project=plain.project,
        location=plain.location,
        credentials=credentials,
        http_options=_http_options(connection, plain),
    )


_MAKERS: dict[str, Callable[[Any, Connection, Plain], Any]] = {
    "OpenAI": _openai,
    "AzureOpenAI": _azure,
    "Anthropic": _anthropic,
    "Gemini": _gemini,
    "Vertex AI": _vertex,
}


def _main(connection: Connection) -> Secret | None:
    """The secret that a client takes as its key."""
    return next(iter(connection.secret_fields.values()), None)


def _headers(connection: Connection, *, all_auth: bool) -> dict[str, str]:
    """The connection's extra headers; with `all_auth` also those that carry its key."""
    target = connection.target(next(iter(connection.models), "any"))
    own = set(connection.fields.headers)
    return {
        each.name: each.template.format(each.secret.reveal())
        for each in target.auth
        if each.name in own or all_auth
    }


def _http_client(make: Callable[..., Any], connection: Connection) -> Any:
    if not connection.fields.ca_bundle:
        return None
    return make(verify=_trust(connection))


def _http_options(connection: Connection, plain: Plain) -> dict[str, Any]:
    options: dict[str, Any] = {"headers": _headers(connection, all_auth=False)}
    if plain.base_url:
        options["base_url"] = plain.base_url
    if connection.fields.ca_bundle:
        options["client_args"] = {"verify": _trust(connection)}
    return options


def _trust(connection: Connection) -> Any:
    import ssl

    return ssl.create_default_context(cafile=os.path.expanduser(connection.fields.ca_bundle or ""))
