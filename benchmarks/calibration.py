"""How often equal models are called different, and planted effects found.

    python -m benchmarks.calibration 1000 [variants]

Each text has a difficulty of its own, shared by all models, and ten fields. "Different" counts a
run in which any two variants are told apart after the correction for all pairs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from llmwidgets.analysis.significance import Column, decide, texts_needed

FIELDS = 10
TEXTS = (10, 20, 50, 200)
ACCURACIES = (0.8, 0.93, 0.98)
VARIANTS = (2, 8)


def columns(
    accuracies: Sequence[float], texts: int, generator: np.random.Generator, even: bool = False
) -> list[Column]:
    """Variants of these true accuracies on texts of unequal difficulty.

    Difficulties are skewed, a few texts nearly all wrong; `even` ones keep a planted effect exact.
    """
    skewed = generator.beta(8 * 0.07, 8 * 0.93, texts) / 0.07
    hardness = generator.uniform(0.2, 1.8, texts) if even else skewed
    made = []
    for at, accuracy in enumerate(accuracies):
        right = np.clip(1 - hardness * (1 - accuracy), 0, 1)
        shares = generator.binomial(FIELDS, right) / FIELDS
        made.append(Column(str(at), {str(text): float(each) for text, each in enumerate(shares)}))
    return made


def false_alarms(accuracy: float, texts: int, variants: int, seeds: int) -> float:
    """The share of runs in which equal models are called different."""
    alarms = 0
    for seed in range(seeds):
        generator = np.random.default_rng((seed, texts, variants, int(accuracy * 100)))
        table = decide(columns([accuracy] * variants, texts, generator)).table
        alarms += any(pair.told_apart for pair in table)
    return alarms / seeds


def found(accuracy: float, effect: float, seeds: int) -> tuple[int, float]:
    """The texts that a pilot of 20,000 says are needed, and how often they show the effect."""
    pair = [accuracy, accuracy - effect]
    a, b = columns(pair, 20_000, np.random.default_rng(int(accuracy * 100)), even=True)
    needed = texts_needed([a.scores[each] - b.scores[each] for each in a.scores], effect)
    assert needed is not None
    shown = 0
    for seed in range(seeds):
        generator = np.random.default_rng((seed, 1, int(accuracy * 100)))
        shown += decide(columns(pair, needed, generator, even=True)).table[0].told_apart
    return needed, shown / seeds


def main(seeds: int, variants_of: Sequence[int] = VARIANTS) -> None:
    """Print both tables."""
    say = sys.stdout.write
    say(f"Equal models called different, {seeds} seeds (nominal 5 %)\nvariants accuracy")
    say("".join(f"{texts:>6} texts" for texts in TEXTS) + "\n")
    for variants in variants_of:
        for accuracy in ACCURACIES:
            say(f"{variants:8} {accuracy:8.2f}")
            for texts in TEXTS:
                say(f"{100 * false_alarms(accuracy, texts, variants, seeds):10.1f} %")
                sys.stdout.flush()
            say("\n")
    say("\nA planted effect, on as many texts as a pilot says show it four times in five\n")
    for accuracy, effect in ((0.93, 0.02), (0.93, 0.04), (0.98, 0.02), (0.8, 0.05)):
        needed, power = found(accuracy, effect, seeds)
        say(f"{accuracy:.2f} against {accuracy - effect:.2f}: {needed:5} texts, ")
        say(f"found {100 * power:.1f} %\n")


if __name__ == "__main__":
    counts = [int(each) for each in sys.argv[1:]]
    main(counts[0] if counts else 1000, counts[1:] or VARIANTS)
