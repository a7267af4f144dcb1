"""A call as a command line for a terminal, with variables in place of its secrets."""

from __future__ import annotations

import json
import shlex

from llmwidgets.dialects.types import Call


def curl(call: Call) -> str:
    """The call as `curl`, `$KEY` in place of the secret (`$KEY_2` and so on for further ones).

    `$TOKEN` stands for a token that credentials are exchanged for.

    It holds the document, as the call does.
    """
    names: dict[int, str] = {}
    lines = [f"curl --request {call.method} {shlex.quote(call.url)}"]
    if call.ca_bundle:
        lines.append(f"--cacert {shlex.quote(call.ca_bundle)}")
    for header in call.auth:
        count = len(names) + 1
        word = "TOKEN" if header.exchange else "KEY" if count == 1 else f"KEY_{count}"
        name = names.setdefault(id(header.secret), word)
        before, _, after = header.template.partition("{}")
        lines.append(f'--header {shlex.quote(f"{header.name}: {before}")}"${{{name}}}"{after}')
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    if call.body is not None:
        lines.append("--header 'content-type: application/json'")
        lines.append(f"--data-raw {shlex.quote(json.dumps(call.body, ensure_ascii=False))}")
    return " \\\n  ".join(lines)
