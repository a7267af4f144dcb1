"""Symptoms of models: why a server lacks the model it was asked for, or keeps it from this key."""

from __future__ import annotations

from collections.abc import Callable

from llmwidgets.engine.checks.rules import HUGGING_FACE, Case, Symptom
from llmwidgets.errors import Filtered, Forbidden, UnknownModel


def _unknown(*, known: bool | None = None) -> Callable[[Case], bool]:
    """The server has no such model; `known`: whether a table or a live list has it."""
    return lambda case: (
        isinstance(case.error, UnknownModel)
        and (known is None or known is (case.facts is not None))
    )


def _without_access(case: Case) -> bool:
    """The provider serves the model, and not to this key."""
    refused = isinstance(case.error, Forbidden) and case.code == "model_not_found"
    return case.provider.no_access is not None and (_unknown(known=True)(case) or refused)


def _deployment(case: Case) -> bool:
    """What the server lacks is called a deployment there."""
    return _unknown()(case) and case.provider.model_field == "deployment"


def _among_others(case: Case) -> bool:
    """The server lists other models than the one that the connection names."""
    return _unknown()(case) and bool(case.provider.model_field and case.listed)


def _elsewhere_than_global(case: Case) -> bool:
    placed = "location" in case.provider.fields.model_fields
    return placed and _unknown()(case) and case.words["location"] != "global"


def _named(value: Callable[[Case], str]) -> Callable[[Case], tuple[dict[str, str], ...]]:
    return lambda case: ({case.provider.model_field or "": value(case)},)


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
        lambda case: _deployment(case) and case.gone is not None and case.code != "region",
        "There is no deployment called {model} on this resource. {whose} has retired the model"
        " {model}{on}.",
        "{instead} {unknown_step}",
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
        lambda case: _deployment(case) and case.facts is not None,
        "There is no deployment called {model} on this resource. {model} is the name of a model;"
        " its deployment can have another.",
        "{unknown_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.provider.unknown_model is not None,
        "{unknown}",
        "{unknown_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.typed_host == HUGGING_FACE,
        "No provider that this token may use serves {model}.",
        "Name a provider that serves it, in the endpoint (…/together/v1) or behind the name"
        " ({model}:together); providers are turned on in the settings of Hugging Face.",
    ),
    Symptom(
        lambda case: _among_others(case) and bool(case.nearest),
        "The server answers, but has no model {model}. The nearest it has is {nearest}.",
        "{step}",
        _named(lambda case: case.nearest),
    ),
    Symptom(
        _among_others,
        "The server answers, but has no model {model}. It has {listed}.",
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
        _without_access,
        "{no_access}",
        "{no_access_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.provider.single,
        "{title} has no model {model}, or this key has no access to it.{near}",
        "Check the name; a test of the connection tells which models the key may use.",
    ),
    Symptom(
        lambda case: isinstance(case.error, Filtered),
        "The provider's safety filter stops even the test question.",
        "Look at the content filter of the deployment, or take another model.",
    ),
)  # fmt: skip
