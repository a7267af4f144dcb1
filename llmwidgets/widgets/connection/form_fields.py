"""What a form asks, read from a provider's fields: groups of fields as the page draws them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic.fields import FieldInfo

from llmwidgets.connections.connection import to_json_value
from llmwidgets.providers.base import Fields, Provider
from llmwidgets.secret import Secret
from llmwidgets.widgets.secret_field import SecretField


def field_groups(
    provider: Provider,
    values: Mapping[str, Any],
    secrets: Mapping[str, SecretField],
    headers: Mapping[str, SecretField],
    problems: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The form in three parts: what is needed, what is optional, what is advanced."""
    parts: dict[str, list[dict[str, Any]]] = {"main": [], "optional": [], "advanced": []}
    for name in _in_order(provider):
        info = provider.fields.model_fields[name]
        field = _described(name, info)
        field["error"] = problems.get(name, "")
        if field["type"] == "secret":
            field["secret"] = secrets.get(name, SecretField()).view(told=not field["multiline"])
        elif field["type"] == "headers":
            field["rows"] = [{"name": key, **kept.view()} for key, kept in headers.items()]
        else:
            field["value"] = to_json_value(values.get(name))
        field["filled"] = _is_filled(field)
        parts[_part(info, field)].append(field)
    return [
        {"name": name, "title": _title(name, fields), "fields": fields, "open": _is_open(fields)}
        for name, fields in parts.items()
        if fields
    ]


def secret_names(provider: Provider) -> list[str]:
    """The names of the fields that hold one secret each."""
    return [name for name, info in provider.fields.model_fields.items() if _type(info) == "secret"]


def field_label(provider: Provider, name: str) -> str:
    """The label of a field; its name where the provider has no such field."""
    info = provider.fields.model_fields.get(name)
    return str(info.title) if info and info.title else name


def _in_order(provider: Provider) -> list[str]:
    """The kind's own fields first, then those that every kind has."""
    return sorted(provider.fields.model_fields, key=lambda name: name in Fields.model_fields)


def _described(name: str, info: FieldInfo) -> dict[str, Any]:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind = _type(info)
    return {
        "name": name,
        "label": info.title or name,
        "help": info.description or "",
        "placeholder": str(info.examples[0]) if info.examples else "",
        "choices": [str(each) for each in info.examples or []] if _many(info) else [],
        "optional": not info.is_required(),
        "type": kind,
        "multiline": kind == "secret" and (bool(extra.get("multiline")) or name == "credentials"),
        "address": name in {"endpoint", "base_url"},
    }


def _many(info: FieldInfo) -> bool:
    """Whether a field has several examples: then they are offered as a list."""
    return len(info.examples or []) > 1


def _type(info: FieldInfo) -> str:
    shape = info.annotation
    if shape in (Secret, Secret | None):
        return "secret"
    if shape is bool:
        return "bool"
    if shape == date | None:
        return "date"
    if shape == dict[str, Secret]:
        return "headers"
    if shape == dict[str, float] | None:
        return "price"
    return "text"


def _part(info: FieldInfo, field: Mapping[str, Any]) -> str:
    extra = info.json_schema_extra
    if isinstance(extra, dict) and extra.get("advanced"):
        return "advanced"
    return "optional" if field["optional"] and field["type"] != "secret" else "main"


def _title(part: str, fields: list[dict[str, Any]]) -> str:
    if part == "main":
        return ""
    labels = [str(field["label"]) for field in fields if field["type"] != "bool"]
    words = [labels[0], *(_lowered(label) for label in labels[1:])]
    if part == "optional" and len(words) > 1:
        return ", ".join(words[:-1]) + " and " + words[-1]
    return ", ".join(words[:3])


def _lowered(label: str) -> str:
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _is_filled(field: Mapping[str, Any]) -> bool:
    if field["type"] == "secret":
        return bool(field["secret"]["state"] != "empty")
    return bool(field.get("rows") or field.get("value"))


def _is_open(fields: list[dict[str, Any]]) -> bool:
    return any(field["error"] for field in fields)
