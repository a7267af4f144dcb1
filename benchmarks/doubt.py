"""How well the doubt finds wrong values: beside chance, and beside disagreement alone.

    python -m benchmarks.doubt [DATA] [--draws 8] [--write]

DATA is the folder with `docubench` (50 documents, three real models) and `insurance-claims` (30
claims, the four rule-based models of the demo, which run here). As in use: some texts are
labelled, the doubts of all others are learned from them, and what is said of these is then held
against their truth, which the doubt has not seen. With 0 labelled texts the values are only
ranked. Labelled texts are drawn by a fixed seed. `--write` puts the table into docs/doubt.md.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import llmwidgets as lw
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.analysis.scoring import Cell
from llmwidgets.analysis.statistics.doubt import area
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.doubt import LABELS, review_rows
from llmwidgets.comparison.measures.text_result import has_data, read_all_results

LABELLED = (0, 10, 20, 30)
DOC = Path(__file__).parents[1] / "docs" / "doubt.md"
START, END = "<!-- table: start -->", "<!-- table: end -->"


@dataclass(frozen=True)
class Data:
    """Texts with all their truth, and what models gave."""

    name: str
    schema: Any
    texts: list[dict[str, Any]]
    outputs: dict[str, list[Any]]
    truth: dict[str, Any]

    def compared(self, labelled: list[str]) -> Comparison:
        """The comparison in which only these texts are labelled."""
        truth = {name: self.truth[name] for name in labelled} or None
        return Comparison.from_outputs(self.schema, self.texts, self.outputs, truth)


def docubench(folder: Path) -> Data:
    """DocuBench's documents; eight of them have their text, so the others are not grounded."""

    def read(part: str, name: str) -> Any:
        return json.loads((folder / part / f"{name}.json").read_text("utf-8"))

    ids = sorted(path.stem for path in (folder / "schemas").glob("*.json"))
    known = {path.stem: path.read_text("utf-8") for path in (folder / "texts").iterdir()}
    texts = [
        {"id": name, "text": known.get(name, ""), "schema": read("schemas", name)} for name in ids
    ]
    models = sorted(path.name for path in (folder / "results").iterdir())
    outputs = {each: [read(f"results/{each}", name)["data"] for name in ids] for each in models}
    return Data("DocuBench", None, texts, outputs, {name: read("labels", name) for name in ids})


def claims(folder: Path) -> Data:
    """The claims, as the demo's models answer them."""
    rows = [json.loads(line) for line in (folder / "claims.jsonl").read_text("utf-8").splitlines()]
    schema = json.loads((folder / "schema.json").read_text("utf-8"))
    texts = [{"id": row["id"], "text": row["text"]} for row in rows]
    run = lw.compare(schema, texts, "demo", journal=False, progress=False)
    outputs: dict[str, list[Any]] = {label: [] for label in run.labels}
    for each in run:
        outputs[each.variant].append(each.data if has_data(each) else None)
    return Data("claims", schema, texts, outputs, {row["id"]: row["truth"] for row in rows})


# -- what is right of values that were read without their truth ------------------------------------

Place = tuple[str, str, str]
"""A text, a variant, and a path."""


class HiddenTruth:
    """Tells whether a value is right that was read without truth, whatever row it stands in.

    The rows of a list are known by what they hold: truth and other variants put them elsewhere.
    """

    def __init__(self, data: Data) -> None:
        self.cells: dict[Place, Cell] = {}
        self.paths: dict[tuple[str, str], dict[Any, list[str]]] = {}
        whole = data.compared([*data.truth])
        for result in read_all_results(whole):
            text = result.document.id
            for variant, score in zip(whole.labels, result.scores, strict=True):
                self.cells |= {(text, variant, each.path): each for each in score.cells}
                given = {
                    each.path: (each.pattern, each.value)
                    for each in score.cells
                    if each.value is not NOTHING or "[" not in each.path
                }
                own = self.paths[text, variant] = defaultdict(list)
                for path, key in _keys(given).items():
                    own[key].append(path)

    def judge(self, frame: Any) -> Iterator[tuple[Place, bool | None]]:
        """Each value of a review with whether it is right; None where truth does not say."""
        given: dict[tuple[str, str], dict[str, tuple[str, Any]]] = defaultdict(dict)
        for each in frame.itertuples():
            given[each.text_id, each.variant][each.field] = (_pattern(each.field), each.value)
        found: dict[Place, str] = {}
        for answer, values in given.items():
            left = {key: [*paths] for key, paths in self.paths.get(answer, {}).items()}
            for path, key in _keys(values).items():
                if left.get(key):
                    found[(*answer, path)] = left[key].pop(0)
        rows: dict[tuple[str, str], str] = {
            (text, path): at for (text, _, path), at in found.items()
        }
        for (text, variant), values in given.items():
            for path, (_, value) in values.items():
                place = text, variant, path
                at = found.get(place) or rows.get((text, path))
                cell = self.cells.get((text, variant, at or path))
                # No value in a row that only others have made up.
                invented = at is None and "[" in path and is_empty(value)
                yield place, True if invented else cell.right if cell is not None else None


def _keys(given: dict[str, tuple[str, Any]]) -> dict[str, Any]:
    """What a value is known by: its path, or in a list what its rows hold."""
    contents: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for path, (pattern, value) in given.items():
        for end in _ends(path):
            if not is_empty(value):
                contents[path[:end]][pattern, repr(value)] += 1
    rows = {path: frozenset(each.items()) for path, each in contents.items()}
    return {
        path: (pattern, repr(value), *(rows.get(path[:end]) for end in _ends(path)))
        if "[" in path
        else path
        for path, (pattern, value) in given.items()
    }


def _ends(path: str) -> Iterator[int]:
    return (at + 1 for at, letter in enumerate(path) if letter == "]")


def _pattern(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


# -- the table -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Areas under the curve of finding wrong values, and how many of them 20 labels find."""

    doubt: float
    disagreement: float
    found: float
    found_by_disagreement: float
    found_at_random: float
    wrong: int
    calibrated: bool
    missed: float
    missed_by_rate: float


def measure(data: Data, truth: HiddenTruth, labelled: Sequence[str]) -> Measured:
    """Learn from these texts, and hold what is said of all others against their truth."""
    result = data.compared([*labelled])
    frame = result.review()
    numbers = {each.id: at for at, each in enumerate(result.texts)}
    at = {
        (each.text_id, each.variant, each.field): (each.rank, each.disagreement, each.doubt)
        for each in frame.itertuples()
        if each.text_id not in set(labelled)
    }
    right = {place: known for place, known in truth.judge(frame) if known is not None}
    places = [each for each in at if each in right]
    wrong = np.array([not right[each] for each in places], float)
    ranks, shares, doubts = (
        np.nan_to_num(np.array([at[each][column] for each in places])) for column in range(3)
    )
    rows: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (text, _, path), lost, share in zip(places, wrong, shares, strict=True):
        sums = rows[numbers[text], path]
        sums[0] += lost
        sums[1] += share
    order = [rows[each.text, each.path] for each in review_rows(result)
             if (each.text, each.path) in rows]  # fmt: skip
    held = np.array([lost for lost, _ in order])
    rate = 1 - float(frame.right.dropna().mean()) if labelled else float("nan")
    return Measured(
        doubt=area(-ranks, wrong) or 0.5,
        disagreement=area(shares, wrong) or 0.5,
        found=float(held[:LABELS].sum()),
        found_by_disagreement=expected(np.array([share for _, share in order]), held),
        found_at_random=LABELS * float(held.mean()),
        wrong=int(wrong.sum()),
        calibrated=frame.attrs["calibrated"],
        missed=_loss(doubts, wrong),
        missed_by_rate=_loss(np.full(len(wrong), rate), wrong),
    )


def expected(scores: Any, held: Any) -> float:
    """What the first 20 by score hold, over all orders of ties."""
    order = np.argsort(-scores.round(9), kind="stable")
    scores, held = scores[order].round(9), held[order]
    cut = scores[LABELS - 1]
    sure, tied = held[scores > cut], held[scores == cut]
    return float(sure.sum() + (LABELS - len(sure)) * tied.mean())


def _loss(chance: Any, wrong: Any) -> float:
    """The mean logarithmic loss of a chance of being wrong."""
    chance = np.clip(chance, 1e-4, 1 - 1e-4)
    return float(-np.mean(np.where(wrong > 0, np.log(chance), np.log(1 - chance))))


HEAD = (
    "| data | labelled texts | AUC of the doubt | of disagreement alone | wrong values that 20 "
    "labels find | by disagreement alone | at random | log loss | of the mean rate |"
)


def table(folder: Path, draws: int) -> Iterator[str]:
    """The table as Markdown, a row for each data and number of labelled texts."""
    yield HEAD
    yield "|---" * 9 + "|"
    for data in (docubench(folder / "docubench"), claims(folder / "insurance-claims")):
        truth, names = HiddenTruth(data), sorted(data.truth)
        for count in LABELLED:
            if count >= len(names):
                continue
            rng = np.random.default_rng([20_261_128, count])
            many = [
                measure(data, truth, [names[at] for at in rng.permutation(len(names))[:count]])
                for _ in range(draws if count else 1)
            ]
            yield _row(data.name, count, many)


def _row(name: str, count: int, many: Sequence[Measured]) -> str:
    def mean(figure: str) -> float:
        return float(np.mean([getattr(each, figure) for each in many]))

    learned = all(each.calibrated for each in many)
    losses = [f"{mean(each):.3f}" if learned else "" for each in ("missed", "missed_by_rate")]
    figures = [
        *(f"{mean(each):.3f}" for each in ("doubt", "disagreement")),
        *(f"{mean(each):.1f}" for each in ("found", "found_by_disagreement", "found_at_random")),
        *losses,
    ]
    return f"| {name} | {count or '0, ranks only'} | {' | '.join(figures)} |"


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("data", nargs="?", type=Path, default=beside)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if not (asked.data / "docubench").is_dir():
        sys.stdout.write(f"Skipped: {asked.data} does not hold docubench and insurance-claims.\n")
        return
    lines = []
    for line in table(asked.data, asked.draws):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        lines.append(line)
    if asked.write:
        before, rest = DOC.read_text("utf-8").split(START)
        body = "\n".join(lines)
        DOC.write_text(f"{before}{START}\n{body}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
