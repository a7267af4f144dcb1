"""The demo's models: rules of different care, and no LLM behind any of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from llmwidgets.demo.care import BRISK, CAREFUL, HASTY, QUICK, Care
from llmwidgets.demo.conform import obey
from llmwidgets.demo.extractor.records import fill
from llmwidgets.demo.prompt import Prompt

Finish = Literal["stop", "length"]
_WHAT_THIS_IS = (
    "This is a rule-based demo and no LLM: it fills the fields of a JSON Schema from a text. "
    "Send a schema in response_format, or write one into the prompt."
)
_SHORT = 200
_FAILS_ONE_IN = 5


@dataclass(frozen=True, slots=True)
class Said:
    """What a model answers; `refusal` stands in place of the text."""

    text: str
    finish: Finish = "stop"
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class RuleModel:
    """Rules that answer as a chat model would.

    `fails` models break off, refuse or chat on about one text in five, always on the same ones;
    short texts never. `base_seconds` and `seconds_per_1000` characters are simulated latency.
    """

    name: str
    care: Care
    base_seconds: float
    seconds_per_1000: float
    fails: bool = False

    def seconds(self, prompt: Prompt) -> float:
        """How long an answer takes at least."""
        return min(0.12, self.base_seconds + self.seconds_per_1000 * len(prompt.document) / 1000)

    def say(self, prompt: Prompt, *, form: str, sent: Any = None) -> Said:
        """Answer a prompt; `sent` is the schema of response_format.

        Raises Disobeyed where no record can be made that obeys the schema.
        """
        schema = prompt.schema if sent is None else sent
        if schema is None:
            note = json.dumps({"note": _WHAT_THIS_IS})
            return Said(note if form == "json_object" else _WHAT_THIS_IS)
        record = obey(schema, fill(schema, prompt.document, self.care))
        text = json.dumps(record, ensure_ascii=False)
        if not self.fails or len(prompt.document) < _SHORT:
            return Said(text)
        return _perhaps_failed(text, prompt.document)


def _perhaps_failed(text: str, document: str) -> Said:
    """The answer, or a failure chosen by a hash of the document, the same each time."""
    draw = int.from_bytes(hashlib.sha256(document.encode()).digest()[:4])
    if draw % _FAILS_ONE_IN:
        return Said(text)
    match draw // _FAILS_ONE_IN % 3:
        case 0:
            return Said(text[: len(text) * 2 // 3], finish="length")
        case 1:
            return Said("", refusal="This demo model declines to answer some texts.")
        case _:
            return Said(f"Here is what was found in the document: {text[1:-1]}")


MODELS: dict[str, RuleModel] = {
    model.name: model
    for model in (
        RuleModel("demo-careful", CAREFUL, 0.07, 0.04),
        RuleModel("demo-quick", QUICK, 0.03, 0.01),
        RuleModel("demo-hasty", HASTY, 0.015, 0.005),
        RuleModel("demo-flaky", BRISK, 0.045, 0.02, fails=True),
    )
}
"""The demo's models by the id a request names."""
