"""What a resource of Azure says about who signed in: rows for every format that it answers in."""

from __future__ import annotations

import re
from dataclasses import replace

from llmwidgets.dialects.error_meanings import ErrorResponse, Meaning
from llmwidgets.dialects.error_table import ErrorRule
from llmwidgets.dialects.types import exchange_of
from llmwidgets.errors import FailureCode, Forbidden, Unauthorized

OPENAI_ROLE, OTHER_ROLE = "Cognitive Services OpenAI User", "Cognitive Services User"
"""What calls need at a resource of Azure: to OpenAI's models, and to all others."""
NEW_ROLE = "A new role can take five minutes to work."

_KEYS_OFF = re.compile(
    r"AuthenticationTypeDisabled|(?:key.based|local) auth\w* (?:is|has been)", re.I
)
_NO_ROLE = re.compile(
    r"lacks the required data action(?: [`'\"]?(?P<action>[\w./*-]+))?"
    r"|principal does not have access|does not have (?:the )?(?:required )?data action",
    re.I,
)
_OTHER_TENANT = re.compile(
    r"tenant\b.{0,80}\b(?:does not|doesn't|not) match|(?:wrong|different|mismatched) tenant", re.I
)
_AUDIENCE = re.compile("audience", re.I)
_RESOURCE = re.compile(r"://(?P<resource>[\w-]+(?=(?:\.[\w-]+)*\.azure\.)|[^/?]+)", re.I)
_NOT_OPENAI = re.compile(r"/anthropic/|/models/|\.models\.ai\.", re.I)

_TURNED_OFF = Meaning(
    Unauthorized,
    "The resource of {account} has keys turned off.",
    'Sign in with Microsoft Entra ID instead: choose it in the form, or write sign_in="entra" in'
    " place of the key. Its owner can also turn key access (local authentication) on.",
    FailureCode.KEYS_OFF,
)
_ASSIGN = (
    'az role assignment create --role "{role}" --assignee "{{assignee}}" --scope'
    ' "$(az cognitiveservices account list --query "[?name==\'{{resource}}\'].id" --output tsv)"'
)


def _lacks(role: str) -> Meaning:
    return Meaning(
        Forbidden,
        f"No role: {{principal}} needs {role} on resource {{resource}}. The server and the sign-in"
        " are right.",
        f"An owner of the resource can give it. {NEW_ROLE}",
        FailureCode.NO_ROLE,
        command=_ASSIGN.format(role=role),
    )


_OTHER = Meaning(
    Unauthorized,
    "The resource {resource} belongs to another tenant than the sign-in of {principal}.",
    "Fill in the tenant of the resource, or sign in there: `az login --tenant TENANT`.",
    FailureCode.TENANT,
)
_WRONG_AUDIENCE = Meaning(
    Unauthorized,
    "The host {host} takes no token of {principal}: none of those that Microsoft Entra ID gives for"
    " Azure's models is for it.",
    "Check that the endpoint is that of an Azure resource, in the cloud you are signed in to.",
    FailureCode.AUDIENCE,
)
_REFUSED = Meaning(
    Unauthorized,
    "The sign-in of {principal} was not accepted by {owner}.",
    "Sign in again (`az login`), with the tenant of the resource, then test again.",
    FailureCode.TOKEN,
    quote=True,
)


def _by_token(response: ErrorResponse) -> bool:
    """Whether the call was sent with a token of Entra ID in place of a key."""
    return exchange_of(response.call.auth if response.call else (), "entra") is not None


def _is_openai(response: ErrorResponse) -> bool:
    """Whether what is refused is a deployment of OpenAI's models, which has a role of its own."""
    action = match["action"] if (match := _NO_ROLE.search(response.words)) else ""
    return not _NOT_OPENAI.search(response.url) and (not action or "/openai/" in action.lower())


_REFUSALS = {401, 403}
_TOKEN = ErrorRule(_REFUSED, {401}, when=_by_token)

SIGN_IN = (
    ErrorRule(_TURNED_OFF, {401}, words=_KEYS_OFF),
    ErrorRule(replace(_TURNED_OFF, kind=Forbidden), {403}, words=_KEYS_OFF),
    ErrorRule(_lacks(OPENAI_ROLE), _REFUSALS, _NO_ROLE, url=_RESOURCE, when=_is_openai),
    ErrorRule(_lacks(OTHER_ROLE), _REFUSALS, _NO_ROLE, url=_RESOURCE),
    ErrorRule(_OTHER, {400, *_REFUSALS}, _OTHER_TENANT, url=_RESOURCE, when=_by_token),
    replace(_TOKEN, meaning=_WRONG_AUDIENCE, words=_AUDIENCE),
    _TOKEN,
)  # fmt: skip
