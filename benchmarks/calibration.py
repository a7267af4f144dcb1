"""How often the verdict is wrong, how wide its intervals are, and how often it finds what is there.

    python -m benchmarks.calibration [--sets 1000] [--write] [--only NAME]

Scores are simulated directly; some data sets of each kind are also compared through the public API,
which must say the same of them. A cell that comes within two points of its limit, or whose 99.9 %
interval reaches it, is drawn again with ten times as many data sets. It fails (marked ✗) where its
limit lies outside that interval. `--write` puts the tables into docs/calibration.md.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from benchmarks.simulated import (
    ALIKE,
    INDEPENDENT,
    LOSSLESS,
    PLANTED,
    SMALL_GAPS,
    WORSE_10,
    WORSE_20,
    Kind,
    Many,
    better_of_two,
    compared_by_api,
)  # fmt: skip
from llmwidgets.analysis.statistics import intervals
from llmwidgets.analysis.statistics.intervals import (
    LEVEL,
    if_lost,
    loss_interval,
    quantile,
    tails,
    upper_bounds,
)
from llmwidgets.analysis.statistics.significance import level_after
from llmwidgets.analysis.statistics.verdict import MATTERS, Outcome

SEED = 20_261_128
TEXTS = (10, 12, 20, 30, 60, 200)
VARIANTS = (2, 5, 8)
NEAR, MORE = 0.02, 10
SURE = NormalDist().inv_cdf(1 - 0.001 / 2)
DOC = Path(__file__).parents[1] / "docs" / "calibration.md"
START, END = "<!-- tables: start -->", "<!-- tables: end -->"


@dataclass(frozen=True)
class Cell:
    """A share seen in `sets` data sets, beside its limit: `low` and `high` are what is allowed."""

    row: str
    texts: int
    share: float
    sets: int
    low: float = 0.0
    high: float = 1.0
    beside: str = ""

    @property
    def holds(self) -> bool:
        """Whether the 99.9 % interval of the simulation reaches what is allowed."""
        return self.low - self.half <= self.share <= self.high + self.half

    @property
    def half(self) -> float:
        """Half of the 99.9 % interval of the simulation."""
        variance = max(self.share * (1 - self.share), 0.5 / self.sets)
        return SURE * math.sqrt(variance / self.sets)


def seeded(*names: object) -> np.random.Generator:
    """The generator of a cell: its own, whatever else is drawn."""
    return np.random.default_rng([SEED, *(ord(each) for name in names for each in f"{name}|")])


def near_limit(measure: Callable[[int], Cell], sets: int) -> Cell:
    """The cell in `sets` data sets, or in ten times as many where it comes near its limit."""
    cell = measure(sets)
    if min(abs(cell.share - cell.low), abs(cell.share - cell.high)) > max(NEAR, cell.half):
        return cell
    return measure(MORE * sets)


# -- what is measured ------------------------------------------------------------------------------


def equal_told_apart(sets: int) -> Iterator[Cell]:
    """Models with equal means of which any two are told apart: at most 6.5 %."""
    for kind in ALIKE:
        for variants in VARIANTS:
            for texts in TEXTS if variants == 2 else (10, 20, 60):

                def measure(count: int, k: int = variants, n: int = texts, a: Kind = kind) -> Cell:
                    found = Many.of(a.scores(seeded("equal", a.name, n, k, count), count, k, n))
                    row = f"{a.name}; {k} variants"
                    return Cell(row, n, float(found.told_apart().mean()), count, high=0.065)

                yield near_limit(measure, sets if variants == 2 else sets // 2)


def equal_after_looks(sets: int) -> Iterator[Cell]:
    """Two equal models, looked at again and again until told apart: at most 6.5 %."""
    plans = {
        "at 30, 60": (30, 60), "at 10, 15 … 50": range(10, 51, 5),
        "after each text from 10 to 50": range(10, 51), "at 10, 15 … 100": range(10, 101, 5),
    }  # fmt: skip
    for kind in ALIKE:
        for name, plan in plans.items():

            def measure(count: int, name: str = name, plan: Any = plan, a: Kind = kind) -> Cell:
                scores = a.scores(seeded("looks", a.name, name, count), count, 2, max(plan))
                stopped = np.zeros(count, bool)
                for at, texts in enumerate(plan, 1):
                    level = level_after(list(plan)[:at])
                    going = np.flatnonzero(~stopped)
                    stopped[going] = better_of_two(scores[going, :, :texts], level)
                return Cell(
                    f"{a.name}; {name}", max(plan), float(stopped.mean()), count, high=0.065
                )

            yield near_limit(measure, sets)


def worse_recommended(sets: int) -> Iterator[Cell]:
    """The cheapest is truly 20 or 10 points worse and recommended: at most 1 and 2 %."""
    for kinds, limit in ((WORSE_20, 0.01), (WORSE_10, 0.02)):
        for kind in kinds:
            for variants in VARIANTS:
                for texts in TEXTS if variants == 2 else (10, 12, 20, 60):

                    def measure(
                        count: int, k: int = variants, n: int = texts, a: Kind = kind,
                        most: float = limit,
                    ) -> Cell:  # fmt: skip
                        share, _ = recommended(a, seeded("worse", a.name, n, k, count), count, k, n)
                        return Cell(f"{a.name}; {k} variants", n, share, count, high=most)

                    yield near_limit(measure, sets)


def equal_recommended(sets: int) -> Iterator[Cell]:
    """The cheapest is as good and recommended: beside a test that knows the true variance.

    At least 75 % from 60 texts on where ten fields are right or wrong by themselves and nothing is
    lost, else 0.85 of what that test reaches; where nothing is lost, at most the `ceiling`.
    """
    for kind in ALIKE:
        for variants in VARIANTS:
            for texts in TEXTS if variants == 2 else (30, 60, 200):

                def measure(count: int, k: int = variants, n: int = texts, a: Kind = kind) -> Cell:
                    rng = seeded("as good", a.name, n, k, count)
                    share, known = recommended(a, rng, count, k, n)
                    own = a.name in INDEPENDENT and n >= 60
                    beside = f"/ {100 * known:.0f}"
                    if a.name in LOSSLESS and ceiling(n) < 1:
                        beside += f", ceiling {100 * ceiling(n):.0f}"
                    low = 0.75 if own else 0.85 * known
                    return Cell(f"{a.name}; {k} variants", n, share, count, low=low, beside=beside)

                yield near_limit(measure, sets if variants == 2 else sets // 2)


def recommended(
    kind: Kind, rng: np.random.Generator, sets: int, variants: int, texts: int
) -> tuple[float, float]:
    """How often the last and cheapest is recommended, and would be by a test of known variance."""
    scores = kind.scores(rng, sets, variants, texts)
    ours, known = np.ones(sets, bool), np.ones(sets, bool)
    for other in range(variants - 1):
        gaps = scores[:, other] - scores[:, -1]
        ours &= upper_bounds(gaps, if_lost(scores[:, other]), LEVEL) < MATTERS
        error = gaps.std() / math.sqrt(texts)
        known &= gaps.mean(axis=1) + NormalDist().inv_cdf(0.95) * error < MATTERS
    return float(ours.mean()), float(known.mean())


def ceiling(texts: int) -> float:
    """How often any rule within the limits can recommend an equal model that lost nothing.

    A model that loses a share r of its replies loses none of n in (1 - r)^n of runs and then looks
    the same. It may be recommended in 1 % (r = 20 %) and 2 % (10 %) of runs, and the bound may lie
    under its true gap in 6.5 % (5 %).
    """
    return min(1.0, 0.01 / 0.8**texts, 0.02 / 0.9**texts, 0.065 / 0.95**texts)


def stated_power(sets: int) -> Iterator[Cell]:
    """The best is shown to be better on as many texts as a pilot says show it: 75 to 85 %."""
    for kind in PLANTED:
        for variants in VARIANTS:
            pilot = kind.scores(seeded("pilot", kind.name), 1, 2, 20_000)[0]
            spread = intervals.Spread.of(list(pilot[1] - pilot[0]), list(if_lost(pilot[1])))
            texts = intervals.texts_needed(spread, kind.gap, variants) or 0
            best, rest = kind.accuracies
            rng = seeded("power", kind.name, variants)
            scores = kind.draw(rng, sets, [best, *[rest] * (variants - 1)], texts)
            shown = np.ones(sets, bool)
            for other in range(1, variants):
                gaps = scores[:, other] - scores[:, 0]
                shown &= tails(gaps, if_lost(scores[:, other])) <= LEVEL / 2
            share = float(shown.mean())
            yield Cell(f"{kind.name}; {variants} variants", texts, share, sets, low=0.75, high=0.85)


def covered_means(sets: int) -> Iterator[Cell]:
    """The true accuracy lies in its 95 % interval: at least 93.5 %."""
    return _covered("mean", ALIKE, sets)


def covered_differences(sets: int) -> Iterator[Cell]:
    """The true difference of two models lies in its 95 % interval: at least 93.5 %."""
    return _covered("difference", (*ALIKE, *SMALL_GAPS, *WORSE_10, *WORSE_20), sets)


def covered_at_most(sets: int) -> Iterator[Cell]:
    """The model is not worse than "at most … worse (95 %)" says: at least 93.5 %."""
    return _covered("at most", (*ALIKE, *SMALL_GAPS, *WORSE_10, *WORSE_20), sets)


def _covered(what: str, kinds: Sequence[Kind], sets: int) -> Iterator[Cell]:
    """Coverage with the mean width, and that beside the narrowest method tried that covers."""
    for texts in TEXTS:
        found = {
            (kind.name, method): _coverage(what, kind, texts, method, sets)
            for kind in kinds
            for method in METHODS
        }
        covering = [m for m in METHODS if all(found[kind.name, m][0].holds for kind in kinds)]
        for kind in kinds:
            cell, width = found[kind.name, "llmwidgets"]
            least = min((found[kind.name, each][1] for each in covering), default=math.nan)
            beside = f"w {width:.3f}, × {width / least:.2f}"
            yield Cell(cell.row, texts, cell.share, cell.sets, cell.low, cell.high, beside)


def _coverage(what: str, kind: Kind, texts: int, method: str, sets: int) -> tuple[Cell, float]:
    widths: list[float] = []

    def measure(count: int) -> Cell:
        scores = kind.scores(seeded(what, kind.name, texts, count), count, 2, texts)
        one, other, bound = scores[:, 0], scores[:, 1], METHODS[method]
        if what == "mean":
            true, ends = kind.means[1], np.ones((count, 1))
            low = np.maximum(0, 1 - bound(1 - other, ends, LEVEL / 2, 0.0))
            high = np.minimum(1, bound(other, ends, LEVEL / 2, 0.0))
        elif what == "difference":
            true, low = kind.gap, -bound(other - one, if_lost(other), LEVEL / 2, -1.0)
            high = bound(one - other, if_lost(one), LEVEL / 2, -1.0)
        else:
            true, low = kind.gap, (one - other).mean(axis=1)
            high = bound(one - other, if_lost(one), LEVEL, -1.0)
        inside = true <= high + 1e-9
        if what != "at most":
            inside &= low - 1e-9 <= true
        widths.append(float((high - low).mean()))
        return Cell(kind.name, texts, float(inside.mean()), count, low=0.935)

    return near_limit(measure, sets), widths[-1]


def _student(weight: float) -> Callable[[Any, Any, float, float], Any]:
    """Student's t over the texts and `weight` of a text at each end of what is possible."""

    def bound(values: Any, _worst: Any, level: float, least: float) -> Any:
        count = values.shape[-1] + 2 * weight
        mean = (values.sum(axis=-1) + weight * (1 + least)) / count
        squares = (values**2).sum(axis=-1) + weight * (1 + least**2) - count * mean**2
        error = np.sqrt(np.maximum(squares, 0) / (count - 1) / count)
        return mean + quantile(1 - level, count - 1) * error

    return bound


def _gaffke(values: Any, _worst: Any, level: float, _least: float) -> Any:
    """The same bound with a whole text that is as bad as can be."""
    mass, intervals.pseudo_mass = intervals.pseudo_mass, lambda _texts: 1.0
    try:
        return upper_bounds(values, np.ones((len(values), 1)), level)
    finally:
        intervals.pseudo_mass = mass


METHODS: dict[str, Callable[[Any, Any, float, float], Any]] = {
    "llmwidgets": lambda values, worst, level, _: upper_bounds(values, worst, level),
    "t": _student(0.0), "t + ½ text": _student(0.5), "t + ¾ text": _student(0.75),
    "t + 1 text": _student(1.0), "Gaffke": _gaffke,
}  # fmt: skip


def covered_losses(_sets: int) -> Iterator[Cell]:
    """The true rate of losses, 1 to 20 %, lies in its exact interval (worked out, not drawn)."""
    for texts in TEXTS:
        ends = [loss_interval(lost, texts) for lost in range(texts + 1)]
        worst = min(
            sum(
                math.comb(texts, lost) * rate**lost * (1 - rate) ** (texts - lost)
                for lost, (low, high) in enumerate(ends)
                if low <= rate <= high
            )
            for rate in (0.01, 0.03, 0.05, 0.1, 0.2)
        )
        yield Cell("the worst of them", texts, worst, 10**6, low=0.935)


def same_by_api(_sets: int) -> Iterator[Cell]:
    """Data sets of which the public API says the same as the simulation: all."""
    for kind in ALIKE:
        for texts in (10, 20, 60):
            same = [_agrees(kind, texts, variants) for variants in VARIANTS]
            yield Cell(f"{kind.name}; 2, 5, 8 variants", texts, sum(same) / 3, 3, low=1.0)


def _agrees(kind: Kind, texts: int, variants: int) -> bool:
    scores = kind.scores(seeded("api", kind.name, texts, variants), 1, variants, texts)
    many, verdict = Many.of(scores), compared_by_api(scores[0]).verdict()
    by_label = {each.label: each for each in verdict.standings}
    near = all(
        math.isclose(by_label[chr(65 + at)].worse_by or 0.0, bound, abs_tol=1e-6)
        for at, bound in enumerate(many.worse_by[0])
    )
    told = any(each.told_apart for each in verdict.table) == bool(many.told_apart()[0])
    return near and told and (verdict.outcome is Outcome.BETTER) == bool(many.better()[0])


# -- the command -----------------------------------------------------------------------------------

TABLES: tuple[Callable[[int], Iterator[Cell]], ...] = (
    worse_recommended, equal_told_apart, equal_after_looks, equal_recommended, stated_power,
    covered_at_most, covered_differences, covered_means, covered_losses, same_by_api,
)  # fmt: skip


def tables(sets: int, only: str = "") -> Iterator[str]:
    """The tables as Markdown: a row per kind of data, a column per number of texts."""
    mass = ", ".join(f"{intervals.pseudo_mass(n):.3f} at {n}" for n in TEXTS)
    yield f"Part of a worst text that is added, by the number of texts: {mass}."
    for table in TABLES:
        if only and only not in table.__name__:
            continue
        started = time.monotonic()
        cells = sorted(table(sets), key=lambda each: each.row)
        columns = sorted({each.texts for each in cells})
        if len(columns) > len(TEXTS):
            columns = []
        assert table.__doc__
        yield f"\n### {table.__doc__.splitlines()[0]}\n"
        yield f"| data | {' | '.join(f'{n} texts' for n in columns) or 'texts: %'} |"
        yield "|---" * (1 + max(1, len(columns))) + "|"
        for row, group in groupby(cells, key=lambda each: each.row):
            by_texts = {each.texts: each for each in group}
            if columns:
                shown = [_shown(by_texts[n]) if n in by_texts else "" for n in columns]
            else:
                shown = [f"{n}: {_shown(each)}" for n, each in by_texts.items()]
            yield f"| {row} | {' | '.join(shown)} |"
        drawn = sorted({f"{each.sets:,}" for each in cells}, key=len)
        failed = sum(not each.holds for each in cells)
        end = f"{failed} outside their limit; data sets a cell: {', '.join(drawn)}."
        yield f"\n{len(cells)} cells, {end}"
        sys.stderr.write(f"{table.__name__}: {time.monotonic() - started:.0f} s\n")


def _shown(cell: Cell) -> str:
    beside = f" {cell.beside}" if cell.beside else ""
    return f"{100 * cell.share:.1f}{beside}{'' if cell.holds else ' ✗'}"


def main() -> None:
    """Measure every cell and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    written = []
    for line in tables(asked.sets, asked.only):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        written.append(line)
    if asked.write and not asked.only:
        head, rest = DOC.read_text("utf-8").split(START)
        body = "\n".join(written)
        DOC.write_text(f"{head}{START}\n{body}\n{END}{rest.split(END)[1]}", "utf-8")


if __name__ == "__main__":
    main()
