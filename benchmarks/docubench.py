"""DocuBench's 50 documents × 3 models: their published scores, and what separates by our rules.

    python benchmarks/docubench.py DATA        or DOCUBENCH=DATA python benchmarks/docubench.py

Data and rules: github.com/DocuPipe/DocuBench, commit 43fae2e, CC BY 4.0. By its rules values are
compared after a normalisation, arrays are paired greedily by likeness and weighted by their size,
and a text's score is the weighted mean of its arrays and of everything else. They stand here as a
function that scores whole records, which is all that `scoring=docubench` needs.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from llmwidgets.comparison import Comparison

PUBLISHED = {"gemini": 95.80, "gpt": 93.54, "claude": 90.33}
"""The score of each model, in per cent, as DocuBench gives it."""

_NO_WORD = re.compile(r"\W")
_MISSING = object()

Row = dict[str, Any]


class Part(NamedTuple):
    """The score (0 to 1) of one array, or of all that is in none, and its weight."""

    score: float
    weight: float


def docubench(value: Any, truth: Any, schema: dict[str, Any]) -> float:
    """The share of a text that is right, 0 to 1, by DocuBench's rules.

    >>> fields = {"type": "object", "properties": {"city": {"type": "string"}, "n": {}}}
    >>> docubench({"city": "KÖLN.", "n": 2}, {"city": "Köln", "n": 3}, fields)
    0.5
    """
    found, labelled = normalised(value), normalised(truth)
    parts = [_array(_at(labelled, path), _at(found, path)) for path in _arrays(schema, ())]
    parts.append(_outside(schema, labelled, found))
    weight = sum(part.weight for part in parts)
    if not weight:
        return 1.0 if len(parts) > 1 else parts[0].score
    return sum(part.score * part.weight for part in parts) / weight


def normalised(value: Any) -> Any:
    """Empty texts, lists and objects of objects dropped, numbers rounded, texts made plain."""
    if isinstance(value, dict):
        kept = {key: normalised(each) for key, each in value.items() if not _is_blank(each)}
        return {key: each for key, each in kept.items() if not _is_blank(each)}
    if isinstance(value, list | tuple):
        return [normalised(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(float(value), 6)
    return _NO_WORD.sub("", value.lower()) if isinstance(value, str) else value


def _is_blank(value: Any) -> bool:
    return isinstance(value, str | list | dict) and not value


def _is_empty(value: Any) -> bool:
    return value is None or _is_blank(value)


def _arrays(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where the schema has arrays that lie in no other."""
    for name, each in _properties(schema):
        if _is_array(each):
            yield (*path, name)
        else:
            yield from _arrays(each, (*path, name))


def _properties(schema: Any) -> Sequence[tuple[str, Any]]:
    found = schema.get("properties") if isinstance(schema, dict) else None
    return list(found.items()) if isinstance(found, dict) else []


def _is_array(schema: Any) -> bool:
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind == "array" or (isinstance(kind, list) and "array" in kind)


def _at(data: Any, path: Sequence[str]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _array(truth: Any, value: Any) -> Part:
    labelled = truth if isinstance(truth, list) else []
    found = value if isinstance(value, list) else []
    rows, others = [_leaves(each) for each in labelled], [_leaves(each) for each in found]
    size = max(len(rows), len(others))
    full = [max(1, sum(not _is_empty(each) for each in row.values())) for row in rows]
    weight = size * (sum(full) / len(full) if full else 1)
    if not rows or not others:
        return Part(float(not size), weight)
    return Part(_paired(rows, others) / size, weight)


def _paired(rows: Sequence[Row], others: Sequence[Row]) -> float:
    """The sum of likenesses when pairs are taken greedily, highest first."""
    ranked = sorted(
        (-_likeness(row, other), i, j)
        for i, row in enumerate(rows)
        for j, other in enumerate(others)
    )
    taken: tuple[set[int], set[int]] = (set(), set())
    total = 0.0
    for score, i, j in ranked:
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            total -= score
    return total


def _likeness(row: Row, other: Row) -> float:
    names = [
        name
        for name in {**row, **other}
        if not (_is_empty(row.get(name)) and _is_empty(other.get(name)))
    ]
    if not names:
        return 1.0
    equal = [name for name in names if row.get(name, _MISSING) == other.get(name, _MISSING)]
    return len(equal) / len(names)


def _leaves(data: Any, path: str = "") -> Row:
    if isinstance(data, dict):
        found: Row = {}
        for name, each in data.items():
            found |= _leaves(each, f"{path}.{name}" if path else str(name))
        return found
    return {path: json.dumps(data, sort_keys=True) if isinstance(data, list) else data}


def _outside(schema: Any, truth: Any, value: Any) -> Part:
    right = scored = 0
    for path in _singles(schema, ()):
        labelled, found = _at(truth, path), _at(value, path)
        if _is_empty(labelled) and _is_empty(found):
            continue
        scored += 1
        right += labelled == found
    return Part(right / scored if scored else 1.0, scored)


def _singles(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, each in _properties(schema):
        if _is_array(each):
            continue
        if _properties(each):
            yield from _singles(each, (*path, name))
        else:
            yield (*path, name)


def compared(folder: Path) -> Comparison:
    """The benchmark as a comparison by its own rules, each document with its own schema."""

    def read(part: str, name: str) -> Any:
        return json.loads((folder / part / f"{name}.json").read_text("utf-8"))

    ids = sorted(path.stem for path in (folder / "schemas").glob("*.json"))
    texts = [{"id": name, "text": "", "schema": read("schemas", name)} for name in ids]
    outputs = {
        model: [read(f"results/{model}", name)["data"] for name in ids] for model in PUBLISHED
    }
    truth = {name: read("labels", name) for name in ids}
    return Comparison.from_outputs(None, texts, outputs, truth, scoring=docubench)


def main(folder: Path) -> None:
    """Print both scores and the table of pairs."""
    theirs = compared(folder)
    for title, result in (("DocuBench's rules", theirs), ("Default rules", theirs.rescore(None))):
        print(f"\n{title}")  # noqa: T201
        for row in result.scoreboard().itertuples():
            span = f"{100 * row.accuracy_low:.2f} to {100 * row.accuracy_high:.2f}"
            known = f"  published {PUBLISHED[row.variant]:.2f}" if result is theirs else ""
            print(f"  {row.variant:8} {100 * row.accuracy:6.2f}  ({span}){known}")  # noqa: T201
        print("  pair              differs by   95 % interval       p      Holm")  # noqa: T201
        for pair in result.verdict().table:
            print(  # noqa: T201
                f"  {pair.a + ' − ' + pair.b:16}  {100 * pair.difference:+8.2f}   "
                f"{100 * pair.low:+6.2f} to {100 * pair.high:+6.2f}  {pair.p:.4f}  "
                f"{pair.p_holm:.4f}  {pair.verdict}"
            )
        print(f"  {result.verdict().sentence}")  # noqa: T201


if __name__ == "__main__":
    beside = Path(__file__).parents[2] / "shared" / "data" / "docubench"
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("DOCUBENCH", beside))
    if (data / "schemas").is_dir():
        main(data)
    else:
        print(  # noqa: T201
            f"DocuBench: skipped, {data} does not hold its data. Give the folder with schemas, "
            "labels and results as an argument, or as DOCUBENCH."
        )
