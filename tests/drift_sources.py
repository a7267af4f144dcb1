"""What the vendors' own packages say of models, read from a virtual environment of their own.

Sources are read as text wherever that is possible; only the profiles of pydantic-ai are asked by
running them there.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

PINS = (
    "openai==3.57.0",
    "anthropic==2.14.0",
    "litellm==1.110.2",
    "pydantic-ai-slim==2.68.0",
    "google-genai==3.6.1",
)
# Their dependencies are not needed to read them.
_LARGE = ("openai", "anthropic", "litellm", "google-genai")
FOLDER = Path(__file__).parents[1] / "build" / "drift-venv"

_ASK = """
import json, sys
from pydantic_ai.profiles.openai import openai_model_profile as openai
from pydantic_ai.profiles.anthropic import anthropic_model_profile as anthropic
from pydantic_ai.profiles.google import google_model_profile as google
from pydantic_ai.models import known_model_names
ask = {"openai": openai, "anthropic": anthropic, "gemini": google}
def plain(value):
    return sorted(map(str, value)) if isinstance(value, frozenset) else value
told = {
    kind: {
        model: {
            name: plain(value)
            for name, value in (ask[kind](model) or {}).items()
            if isinstance(value, (bool, int, frozenset))
        }
        for model in models
    }
    for kind, models in json.load(sys.stdin).items()
}
print(json.dumps({"profiles": told, "names": list(known_model_names())}))
"""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the packages say. `ends` are days by id; `litellm` is its own table."""

    openai_ids: tuple[str, ...]
    openai_ends: Mapping[str, date]
    anthropic_ids: tuple[str, ...]
    anthropic_ends: Mapping[str, date]
    litellm: Mapping[str, Mapping[str, Any]]
    profiles: Mapping[str, Mapping[str, Mapping[str, Any]]]
    known_names: tuple[str, ...]
    google_ids: tuple[str, ...] = ()


def install(*, newest: bool = False) -> Path:
    """Make the environment once, with the pinned packages or the newest; its site-packages."""
    python = FOLDER / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(FOLDER)], check=True)
    pins = [pin.partition("==")[0] for pin in PINS] if newest else list(PINS)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--upgrade"] if newest else []
    subprocess.run(
        [*pip, "--no-deps", *(pin for pin in pins if pin.startswith(_LARGE))], check=True
    )
    subprocess.run([*pip, *(pin for pin in pins if not pin.startswith(_LARGE))], check=True)
    said = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return Path(said.stdout.strip())


def read(site: Path, asked: Mapping[str, Iterable[str]]) -> Sources:
    """Everything the packages say; `asked` are the models by kind that profiles are wanted of."""
    chat_model = (site / "openai/types/shared/chat_model.py").read_text("utf-8")
    model = (site / "anthropic/types/model.py").read_text("utf-8")
    deprecated = (site / "anthropic/_data/deprecated_models.py").read_text("utf-8")
    google = site / "google/genai/_gaos/types/interactions/model.py"
    prices = (site / "litellm/model_prices_and_context_window_backup.json").read_text("utf-8")
    told = _profiles({kind: list(models) for kind, models in asked.items()})
    return Sources(
        openai_ids=_literals(chat_model),
        openai_ends=_shutdowns(chat_model),
        anthropic_ids=_literals(model),
        anthropic_ends=_deprecated(deprecated),
        litellm=json.loads(prices),
        profiles=told["profiles"],
        known_names=tuple(told["names"]),
        google_ids=_literals(google.read_text("utf-8")),
    )


def _profiles(asked: Mapping[str, list[str]]) -> dict[str, Any]:
    python = FOLDER / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    said = subprocess.run(
        [str(python), "-c", _ASK], input=json.dumps(asked), check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(said.stdout)
    return told


def _literals(source: str) -> tuple[str, ...]:
    """The texts inside the subscripts of `Literal[…]`."""
    return tuple(
        each.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal"
        for each in ast.walk(node.slice)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def _shutdowns(source: str) -> dict[str, date]:
    """The days in `- "id", "id": Announced shutdown date: 2027-04-01.` of a docstring."""
    flat = " ".join(source.split())
    listed = re.finditer(
        r'- ((?:"[^"]+",? ?)+): Announced shutdown date: (\d{4}-\d{2}-\d{2})', flat
    )
    return {
        model: date.fromisoformat(found[2])
        for found in listed
        for model in re.findall(r'"([^"]+)"', found[1])
    }


def _deprecated(source: str) -> dict[str, date]:
    for node in ast.walk(ast.parse(source)):
        names = node.targets if isinstance(node, ast.Assign) else []
        names = [node.target] if isinstance(node, ast.AnnAssign) else names
        if "DEPRECATED_MODELS" in [getattr(each, "id", "") for each in names]:
            table: dict[str, str] = ast.literal_eval(node.value)
            return {model: _written_out(said) for model, said in table.items()}
    message = "The Anthropic SDK has no DEPRECATED_MODELS any more: see where it keeps them."
    raise SystemExit(message)


def _written_out(said: str) -> date:
    """`November 30th, 2026` as a date."""
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)", "", said)
    return datetime.strptime(plain, "%B %d, %Y").date()
