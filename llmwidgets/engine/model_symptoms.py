"""Symptoms of models: why a server lacks the model it was asked for, or keeps it from this key."""

from __future__ import annotations

from collections.abc import Callable

from llmwidgets.engine.symptom import HUGGING_FACE, Case, Symptom
from llmwidgets.errors import Filtered, Forbidden, UnknownModel

_DEPLOYED = (
    "Azure expects the deployment's name, not the model's: look it up in the Foundry portal"
    " (ai.azure.com) under Deployments. One made within the last 5 minutes needs another moment."
)
_LIMITS = {
    "openai": "Ask the owner of the organization: a project can limit its models (Settings →"
    " Project → Limits), and some models require a verified organization.",
    "anthropic": "Ask the owner of the organization: a workspace can limit its models (Claude"
    " Console → Settings → Workspaces).",
}


def _unknown(*kinds: str, known: bool | None = None) -> Callable[[Case], bool]:
    """The model is unknown to a server of these kinds; `known`: a table or a live list has it."""
    return lambda case: (
        isinstance(case.error, UnknownModel)
        and (not kinds or case.kind in kinds)
        and (known is None or known is (case.facts is not None))
    )


def _without_access(kind: str) -> Callable[[Case], bool]:
    """The provider serves the model, and not to this key."""
    return lambda case: (
        _unknown(kind, known=True)(case)
        or (
            isinstance(case.error, Forbidden)
            and (case.kind, case.code) == (kind, "model_not_found")
        )
    )


def _elsewhere_than_global(case: Case) -> bool:
    return _unknown("vertex_ai")(case) and case.words["location"] != "global"


def _named(value: Callable[[Case], str]) -> Callable[[Case], tuple[dict[str, str], ...]]:
    return lambda case: ({case.connection.provider.model_field or "": value(case)},)


MODELS: tuple[Symptom, ...] = (
    Symptom(
        lambda case: _unknown()(case) and case.deployment not in {"", case.model},
        "The server and the key are right; the deployment name is not. Azure expects the"
        " deployment's name. The address you pasted names the deployment {deployment}, not"
        " {model}.",
        "Change the deployment, then test again.",
        _named(lambda case: case.deployment),
    ),
    Symptom(
        lambda case: (
            _unknown("azure_openai")(case) and case.gone is not None and case.code != "region"
        ),
        "There is no deployment called {model} on this resource. {whose} has retired the model"
        " {model}{on}.",
        "{instead} " + _DEPLOYED,
    ),
    Symptom(
        lambda case: _unknown()(case) and case.gone is not None,
        "{whose} has retired {model}{on}.",
        "{instead}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.code == "region",
        "{message}{ending}",
    ),
    Symptom(
        _unknown("azure_openai", known=True),
        "There is no deployment called {model} on this resource. {model} is the name of a model;"
        " its deployment can have another.",
        _DEPLOYED,
    ),
    Symptom(
        _unknown("azure_openai"),
        "There is no deployment called {model} on this resource.",
        _DEPLOYED,
    ),
    Symptom(
        lambda case: _unknown()(case) and case.typed_host == HUGGING_FACE,
        "No provider that this token may use serves {model}.",
        "Name a provider that serves it, in the endpoint (…/together/v1) or behind the name"
        " ({model}:together); providers are turned on in the settings of Hugging Face.",
    ),
    Symptom(
        lambda case: _unknown("custom")(case) and bool(case.listed and case.nearest),
        "The server answers, but has no model {model}. The nearest it has is {nearest}.",
        "{step}",
        _named(lambda case: case.nearest),
    ),
    Symptom(
        lambda case: _unknown("custom")(case) and bool(case.listed),
        "The server answers, but has no model {model}. It has {listed}.",
    ),
    Symptom(
        _unknown("azure_ai_foundry"),
        "The server and the key are right, but no model {model} is deployed there.",
        "Give the name that the deployment's Details show (in the Foundry portal, ai.azure.com,"
        " under Deployments), or deploy the model first. One made within the last 5 minutes needs"
        " another moment.",
    ),
    Symptom(
        lambda case: _elsewhere_than_global(case) and case.facts is not None,
        "The credentials are right, but {model} is not offered in {location}.{ending}",
        "Change the location to global, or to eu or us where texts have to stay there.",
        lambda _case: ({"location": "global"},),
    ),
    Symptom(
        _elsewhere_than_global,
        "The credentials are right, but {location} has no model {model}: it is misspelled, or not"
        " offered there.{near}",
        "Check the name, or change the location to global.",
        lambda _case: ({"location": "global"},),
    ),
    Symptom(
        _unknown("vertex_ai", known=True),
        "The credentials are right, but the project has no access to {model} in {location}."
        "{ending}",
        "Ask the owner of the Google Cloud project: an organization policy can limit its models, or"
        " take another model.",
    ),
    Symptom(
        _unknown("gemini", known=True),
        "The key is right, but Google does not offer {model} to it.{ending}",
        "A model that is new or near its end is not offered to every key, nor in version v1 of the"
        " API: take another one that the key lists.",
    ),
    *(
        Symptom(
            _without_access(kind),
            "The key is right, but has no access to {model}.{ending}",
            step,
        )
        for kind, step in _LIMITS.items()
    ),
    Symptom(
        lambda case: _unknown()(case) and case.connection.provider.single,
        "{title} has no model {model}, or this key has no access to it.{near}",
        "Check the name; a test of the connection tells which models the key may use.",
    ),
    Symptom(
        lambda case: isinstance(case.error, Filtered),
        "The provider's safety filter stops even the test question.",
        "Look at the content filter of the deployment, or take another model.",
    ),
)  # fmt: skip
