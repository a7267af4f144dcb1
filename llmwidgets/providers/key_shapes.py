"""What the first characters of a key tell: whose it is, said without showing the key."""

from __future__ import annotations

_OWNERS = (
    ("sk-ant-", "of Anthropic"),
    ("sk-or-", "of OpenRouter"),
    ("sk-", "of OpenAI"),
    ("AIza", "of Google"),
    ("AQ.", "of Google"),
    ("hf_", "of Hugging Face"),
    ("ya29.", "of Google, and a short-lived OAuth token"),
    ("eyJ", "of a login, and a short-lived token"),
    ("http", "of nobody: it is an address"),
)


def foreign(value: str, *, own: tuple[str, ...], wanted: str) -> str | None:
    """A sentence where the key looks like another provider's, or is broken; else None.

    Only the public prefix is quoted. `own` are the prefixes that are right here.
    """
    if any(character.isspace() for character in value):
        return "There are blanks or line ends inside the key: copy it whole, and alone."
    for prefix, owner in _OWNERS:
        if value.startswith(prefix):
            if prefix in own:
                return None
            return f"A key that starts with {prefix} is {owner}; {wanted}."
    return None
