"""The two named exits, by which a key leaves for other code of the user's.

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

from llmwidgets.dialects.types import exchange_of
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.providers.base import SDK
from llmwidgets.providers.vertex_ai import SCOPE, gcloud_login
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.dialects.types import Exchange, Target


_one_at_a_time = threading.Lock()


def make_client(connection: Connection, model: str | None = None) -> Any:
    """The vendor's own client with this key: an exit, behind which no promise holds.

    No policy is asked, and the client can show the key. Where models of one connection have
    clients of their own, it is that of this model, by default of the first. LLMWidgetsError with
    the pip command if its package is not installed.

    >>> Connection("openai", api_key="env:OPENAI_API_KEY").client()   # doctest: +SKIP
    <openai.OpenAI object …>
    """
    target = connection.target(model) if model else connection.first_target
    sdk = connection.provider.sdk(connection.fields, target)
    try:
        module = import_module(sdk.module)
    except ImportError:
        module = None
    if module is None:
        message = (
            f"The package {sdk.package}, which this connection's client comes from, is not "
            "installed."
        )
        raise LLMWidgetsError(message, f"Install it with: pip install {sdk.package}.")
    make = _make_google if sdk.module == "google.genai" else _make
    try:
        return make(module, connection, sdk, target)
    except LLMWidgetsError:
        raise
    except Exception as error:  # noqa: BLE001 - its frames contain the key
        name = type(error).__name__
    client = f"{sdk.module}.{sdk.client}"
    message = f"The client {client} of {connection.label} could not be made ({name})."
    raise LLMWidgetsError(message, f"Update it: pip install -U {sdk.package}.")


@contextmanager
def make_environment(connection: Connection) -> Iterator[None]:
    """`with connection.environment():` puts the key into this process's variables: an exit.

    Everything in the process, and each child started meanwhile, can read it. One at a time; what
    was set before comes back at the end, also after an error. LLMWidgetsError for a second one.
    """
    if exchange_of(connection.first_target.auth, "entra") is not None:
        message = (
            f"{connection.label} signs in with Microsoft Entra ID: there is no key to put into an"
            " environment variable."
        )
        raise LLMWidgetsError(
            message, "Use its client (connection.client()), which signs in by itself."
        )
    if not _one_at_a_time.acquire(blocking=False):
        message = "The environment of another connection is in force in this process."
        raise LLMWidgetsError(message, "End its with block first.")
    names = connection.provider.environment.names
    before = {name: os.environ[name] for name in names if name in os.environ}
    try:
        with _file_of(connection) as file:
            _set_variables(connection, file)
            yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
        before.clear()
        _one_at_a_time.release()


def _set_variables(connection: Connection, file: dict[str, str]) -> None:
    target, secret = connection.first_target, _main(connection)
    sdk, own = connection.provider.sdk(connection.fields, target), connection.provider.environment
    keys = dict.fromkeys((*sdk.keys, *own.keys))
    # Set before the others are taken away: a reference may lead to one of these very variables.
    for name in keys:
        if not _put(name, secret):
            message = f"The key of {connection.label} cannot be put into an environment variable."
            hint = "Copy the key again; it contains characters that no key has."
            raise LLMWidgetsError(message, hint)
    fields = {**connection.plain_fields, "base_url": target.url}
    # The client of a deployment says itself how its model is named.
    beside = {
        variable: fields.get(name)
        for name, variable in own.beside.items()
        if name != connection.provider.model_field
    }
    plain = {**beside, **sdk.variables, **file}
    values = {name: str(value) for name, value in plain.items() if value}
    # A variable left over could send the key to another host.
    for name in {*own.names} - {*keys, *values}:
        os.environ.pop(name, None)
    os.environ.update(values)


def _put(name: str, secret: Secret | None) -> bool:
    # What is raised for a value that does not fit contains the value.
    try:
        os.environ[name] = secret.reveal() if secret else "none"
    except ValueError:
        return False
    return True


@contextmanager
def _file_of(connection: Connection) -> Iterator[dict[str, str]]:
    """Where Google's clients find the credentials: their own file, else memory, never a disk."""
    name = connection.provider.environment.file
    secret = connection.first_target.auth[0].secret if name else None
    if name:
        _refuse_variables(connection)
    if not secret:
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


def _refuse_variables(connection: Connection) -> None:
    """LLMWidgetsError where variables cannot lead Google's clients to this sign-in."""
    hint = "Take the vendor's own client: connection.client()."
    if getattr(connection.fields, "impersonate", None):
        message = "No variable makes Google's clients act as another service account."
        raise LLMWidgetsError(message, hint)
    if connection.fields.way == "machine" and os.path.exists(gcloud_login()):
        message = f"Google's clients would take gcloud's login at {gcloud_login()} first."
        raise LLMWidgetsError(message, hint)


def _make(module: Any, connection: Connection, sdk: SDK, target: Target) -> Any:
    """A client of OpenAI's or Anthropic's package, which take the same arguments."""
    key, bundle = _main(connection), connection.fields.ca_bundle
    exchange = exchange_of(target.auth, "entra")
    client = getattr(module, sdk.client)(
        **sdk.arguments,
        **{sdk.token_argument: _make_token_provider(exchange)}
        if exchange
        else {"api_key": key.reveal() if key else "none"},
        default_headers=_headers(connection, target, all_auth=sdk.sends_auth),
        http_client=module.DefaultHttpxClient(verify=_trust(bundle)) if bundle else None,
    )
    for name, value in sdk.attributes.items():
        setattr(client, name, value)
    return client


def _make_token_provider(exchange: Exchange) -> Callable[[], str]:
    """A function that fetches tokens by azure-identity's own means."""
    try:
        from azure.identity import (
            DefaultAzureCredential,
            ManagedIdentityCredential,
            get_bearer_token_provider,
        )
    except ImportError:
        message = "The package azure-identity, which signs this client in, is not installed."
        hint = "The extra llmwidgets[entra] has it, and so has: pip install azure-identity."
        raise LLMWidgetsError(message, hint) from None
    option, scope = exchange.option, exchange.scope
    if option("client_id"):
        machine = ManagedIdentityCredential(client_id=option("client_id"))
        return get_bearer_token_provider(machine, scope)
    authority = option("authority") or None
    chain = DefaultAzureCredential(authority=authority, additionally_allowed_tenants=["*"])
    if not option("tenant"):
        return get_bearer_token_provider(chain, scope)
    return lambda: chain.get_token(scope, tenant_id=option("tenant")).token


def _make_google(module: Any, connection: Connection, sdk: SDK, target: Target) -> Any:
    arguments, bundle = dict(sdk.arguments), connection.fields.ca_bundle
    if arguments.get("project") == "-":
        if connection.fields.way != "machine" or arguments["base_url"]:
            message = "The client needs a project, and this connection names none."
            raise LLMWidgetsError(message, "Fill in the project ID, or set GOOGLE_CLOUD_PROJECT.")
        del arguments["project"]  # which it asks the machine for
    options = {
        "headers": _headers(connection, target, all_auth=False),
        "base_url": arguments.pop("base_url"),
        "api_version": arguments.pop("api_version", None),
        "client_args": {"verify": _trust(bundle)} if bundle else None,
    }
    return getattr(module, sdk.client)(
        **arguments,
        **_google_credentials(connection, by_key=not arguments["vertexai"]),
        http_options={name: value for name, value in options.items() if value},
    )


def _google_credentials(connection: Connection, *, by_key: bool) -> dict[str, Any]:
    key = _main(connection)
    if by_key:
        return {"api_key": key.reveal() if key else None}
    from google.auth import identity_pool, impersonated_credentials
    from google.oauth2 import credentials as user
    from google.oauth2 import service_account

    # Of each type its own reader: none of them runs a program that a file names.
    readers: dict[str, Callable[..., Any]] = {
        "service_account": service_account.Credentials.from_service_account_info,
        "authorized_user": user.Credentials.from_authorized_user_info,
        "external_account": identity_pool.Credentials.from_info,
        "impersonated_service_account":
            impersonated_credentials.Credentials.from_impersonated_service_account_info,
    }  # fmt: skip
    secret = connection.first_target.auth[0].secret
    if secret:
        make = readers.get(secret.public_part("type"), readers["service_account"])
        made = make(json.loads(secret.reveal()), scopes=[SCOPE])
    else:
        from google.auth import compute_engine

        machine: Any = compute_engine.Credentials
        made = machine(scopes=[SCOPE])
    email = getattr(connection.fields, "impersonate", None)
    if email:
        acting: Any = impersonated_credentials.Credentials
        made = acting(made, email, [SCOPE])
    return {"credentials": made}


def _main(connection: Connection) -> Secret | None:
    """The secret that a client takes as its key."""
    return next(iter(connection.secret_fields.values()), None)


def _headers(connection: Connection, target: Target, *, all_auth: bool) -> dict[str, str]:
    """What is sent beside the key: the kind's headers, the user's; with `all_auth` its own too."""
    own = set(connection.fields.headers)
    return {
        **target.headers,
        **{
            each.name: each.template.format(each.secret.reveal())
            for each in target.auth
            if (each.name in own or all_auth) and each.exchange is None
        },
    }


def _trust(bundle: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=os.path.expanduser(bundle))
