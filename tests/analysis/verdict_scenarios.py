"""Comparisons and all that the verdict says of each, word for word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmwidgets.analysis.statistics.significance import Scores, Tested, compare_variants


def shares(seed: int, accuracy: float, texts: int, fields: int = 10) -> list[float]:
    """Texts of so many fields, each right or wrong by itself."""
    drawn = np.random.default_rng(seed).binomial(fields, accuracy, texts)
    return [float(each) / fields for each in drawn]


def column(
    label: str, scores: list[float], cost: float | None = None, lost: int = 0, unanswered: int = 0
) -> Scores:
    """The first `lost` texts lost, `unanswered` more texts asked about in vain."""
    ids = [f"t{at}" for at in range(len(scores) + unanswered)]
    held = [0.0] * lost + scores[lost:]
    return Scores(
        label,
        dict(zip(ids[unanswered:], held, strict=True)),
        cost,
        frozenset(ids[unanswered : unanswered + lost]),
        frozenset(ids[:unanswered]),
    )


@dataclass(frozen=True)
class Scenario:
    """Columns, and the sentences that they come to."""

    name: str
    columns: Callable[[], list[Scores]]
    said: str
    matters: float = 0.05
    more: Mapping[str, Any] = field(default_factory=dict)

    def tested(self) -> Tested:
        return compare_variants(self.columns(), **self.more)


SCENARIOS = (
    Scenario("nothing", list, "Nothing was compared."),
    Scenario(
        "one variant",
        lambda: [column("luna", shares(1, 0.95, 40), 0.16)],
        "luna got 95.0 in 100 fields right on 40 texts (88.9 to 97.1; 95 %). Run-to-run noise"
        " is inside (1 repeat).",
    ),
    Scenario(
        "one variant that loses replies",
        lambda: [column("luna", shares(1, 0.95, 40), 0.16, lost=2)],
        "luna got 90.5 in 100 fields right on 40 texts (80.6 to 95.5; 95 %). luna lost 2 "
        "replies of 40, counted as wrong (at most 16.9 % of replies in the long run); "
        "on the rest it got 95.3"
        " in 100 right. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "nine texts",
        lambda: [
            column("luna", shares(1, 0.95, 9), 0.16),
            column("flash", shares(2, 0.9, 9), 2.14),
        ],
        "Not enough texts to tell: flash leads. Only 9 texts are labelled and answered by "
        "both variants, and under 10 a difference can be chance. No variant is recommended "
        "yet. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "no text in common",
        lambda: [
            column("luna", shares(1, 0.95, 20), 0.16),
            Scores("flash", {f"x{n}": 0.9 for n in range(20)}, 2.14),
        ],
        "Not enough texts to tell: luna leads. No text is labelled and answered by both "
        "variants, and under 10 a difference can be chance. No variant is recommended yet. "
        "Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "twelve texts, three variants",
        lambda: [
            column("haiku", shares(3, 0.95, 12), 0.31),
            column("flash", shares(4, 0.94, 12), 2.14),
            column("luna", shares(5, 0.9, 12), 0.16),
        ],
        "Not enough texts to tell: haiku leads. 12 texts can show differences of about 25 in "
        "100 or more; about 108 would show 5. No variant is recommended yet. Run-to-run noise"
        " is inside (1 repeat).",
    ),
    Scenario(
        "twelve perfect texts against 79 in 100",
        lambda: [
            column("haiku", [1.0] * 12, 0.31),
            column("luna", [0.8, 0.7, 0.9, 0.8, 0.8, 0.6, 0.9, 0.8, 0.8, 0.8, 0.7, 0.9], 0.16),
        ],
        "haiku is better than luna. On 12 texts it reads at least 0.2 fields in 100 more "
        "right than luna (95 %; 20.8 seen). It costs $0.31 for 1,000 texts, luna $0.16. Run-"
        "to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "ten perfect texts each",
        lambda: [column("haiku", [1.0] * 10, 0.31), column("luna", [1.0] * 10, 0.16)],
        "Not enough texts to tell: luna and haiku are equal so far. 10 texts can show "
        "differences of about 25 in 100 or more; about 49 would show 5. No variant is "
        "recommended yet. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "two that are equal, and one behind",
        lambda: [column(each, [1.0] * 9) for each in "BA"] + [column("C", [0.5] * 9)],
        "Not enough texts to tell: A and B lead, equal so far. Only 9 texts are labelled and "
        "answered by all 3 variants, and under 10 a difference can be chance. No variant is "
        "recommended yet. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "five that are equal",
        lambda: [column(each, [0.5] * 9) for each in "ABCDE"],
        "Not enough texts to tell: A and 4 more variants are equal so far. Only 9 texts are "
        "labelled and answered by all 5 variants, and under 10 a difference can be chance. No "
        "variant is recommended yet. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "as much right of what it answered, with fewer answers",
        lambda: [column("A", [1.0] * 9), column("B", [1.0] * 7, unanswered=2)],
        "Not enough texts to tell: A leads. Only 7 texts are labelled and answered by both "
        "variants, and under 10 a difference can be chance. No variant is recommended yet. B has "
        "no answer to 2 of 9 texts: 100.0 in 100 right on the others, 77.8 with these counted as "
        "wrong. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "as good and cheaper",
        lambda: [
            column("flash", shares(6, 0.97, 60), 2.14),
            column("luna", shares(7, 0.965, 60), 0.16),
        ],
        "luna is as good as flash and 13 times cheaper. On 60 texts it is at most 2.7 fields "
        "in 100 worse than flash (95 %; you allow 5). Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "as good and a little cheaper",
        lambda: [
            column("flash", shares(6, 0.97, 60), 0.21),
            column("luna", shares(7, 0.965, 60), 0.16),
        ],
        "luna is as good as flash and cheaper ($0.16 against $0.21 for 1,000 texts). On 60 "
        "texts it is at most 2.7 fields in 100 worse than flash (95 %; you allow 5). Run-to-"
        "run noise is inside (1 repeat).",
    ),
    Scenario(
        "as good and free",
        lambda: [
            column("flash", shares(6, 0.97, 90), 2.14),
            column("llama", shares(8, 0.965, 90), 0.0),
        ],
        "llama is as good as flash and cheaper ($0 against $2.14 for 1,000 texts). On 90 "
        "texts it is at most 0.9 fields in 100 worse than flash (95 %; you allow 5). Run-to-"
        "run noise is inside (1 repeat).",
    ),
    Scenario(
        "the best is the cheapest",
        lambda: [
            column("luna", shares(6, 0.97, 80), 0.16),
            column("flash", shares(7, 0.96, 80), 2.14),
        ],
        "luna is as good as flash and 13 times cheaper. On 80 texts it is at most 2.6 fields "
        "in 100 worse than flash (95 %; you allow 5). Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "better than all others",
        lambda: [
            column("flash", shares(9, 0.975, 40), 2.14),
            column("haiku", shares(10, 0.88, 40), 0.31),
            column("luna", shares(11, 0.86, 40), 0.16),
        ],
        "flash is better than haiku and luna. On 40 texts it reads at least 1.0 fields in 100"
        " more right than the next best, haiku (95 %; 7.2 seen). As the best of 3, its own "
        "figure is likely a little too good. It costs 7 times as much as haiku. Run-to-run "
        "noise is inside (1 repeat).",
    ),
    Scenario(
        "better and cheaper",
        lambda: [
            column("luna", shares(9, 0.975, 40), 0.16),
            column("flash", shares(10, 0.88, 40), 2.14),
        ],
        "luna is better than flash. On 40 texts it reads at least 1.0 fields in 100 more "
        "right than flash (95 %; 7.2 seen). It is also 13 times cheaper. Run-to-run noise is "
        "inside (1 repeat).",
    ),
    Scenario(
        "better by less than matters",
        lambda: [
            column("flash", [0.98] * 200, 2.14),
            column("luna", [0.97] * 180 + [0.95] * 20, 0.16),
        ],
        "luna is as good as the best and 13 times cheaper. On 200 texts it is at most 2.1 "
        "fields in 100 worse than flash (95 %; you allow 5). flash is better, by at most 2.4 "
        "in 100: less than the 5 that matter here. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "better by less than matters, prices alike",
        lambda: [
            column("flash", [0.98] * 200, 2.14),
            column("luna", [0.97] * 180 + [0.95] * 20, 2.14),
        ],
        "flash is better than luna. On 200 texts it reads more right than luna (95 %; 1.2 "
        "seen). That is less than the 5 in 100 that matter here. Run-to-run noise is inside "
        "(1 repeat).",
    ),
    Scenario(
        "nothing cheaper is shown to be as good",
        lambda: [
            column("flash", shares(12, 0.98, 60), 2.14),
            column("luna", shares(13, 0.95, 60), 0.16),
        ],
        "flash leads, and nothing cheaper is shown to be as good. On 60 texts it is not worse"
        " than luna (95 %; you allow 5). luna, 13 times cheaper, may be as good or up to 6.9 "
        "in 100 worse. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "no price is known",
        lambda: [column("llama", shares(14, 0.96, 90)), column("qwen", shares(15, 0.96, 90))],
        "qwen is as good as llama; its price is unknown. On 90 texts it is at most 2.1 fields"
        " in 100 worse than llama (95 %; you allow 5). Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "one price is unknown",
        lambda: [column("luna", shares(14, 0.97, 90), 0.16), column("llama", shares(15, 0.96, 90))],
        "luna is as good as llama; the price of llama is unknown. On 90 texts it is at most "
        "1.8 fields in 100 worse than llama (95 %; you allow 5). Run-to-run noise is inside "
        "(1 repeat).",
    ),
    Scenario(
        "the cheaper one lost a reply",
        lambda: [
            column("flash", shares(16, 0.96, 120), 2.14),
            column("luna", shares(17, 0.965, 120), 0.16, lost=1),
        ],
        "luna is as good as flash and 13 times cheaper. On 120 texts it is at most 1.3 fields"
        " in 100 worse than flash (95 %; you allow 5). luna lost 1 reply of 120, counted as "
        "wrong (at most 4.6 % of replies in the long run); on the rest it got 97.7 in 100 "
        "right. Run-to-run "
        "noise is inside (1 repeat).",
    ),
    Scenario(
        "the cheap one loses replies",
        lambda: [
            column("flash", shares(16, 0.96, 60), 2.14),
            column("luna", shares(17, 0.97, 60), 0.16, lost=4),
        ],
        "flash leads, and nothing cheaper is shown to be as good. On 60 texts it is at most "
        "2.6 fields in 100 worse than luna (95 %; you allow 5). luna, 13 times cheaper, may "
        "be as good or up to 10.4 in 100 worse. If luna is as good, about 186 texts would "
        "show it. luna lost 4 replies of 60, counted as wrong (at most 16.2 % of replies in the "
        "long run); on"
        " the rest it got 98.0 in 100 right. flash lost none. Run-to-run noise is inside (1 "
        "repeat).",
    ),
    Scenario(
        "no answer to the hard texts",
        lambda: [
            Scores("flash", {f"t{n}": 0.5 if n < 20 else 1.0 for n in range(40)}, 2.14),
            column("luna", [1.0] * 20, 0.16, unanswered=20),
        ],
        "Not enough texts to tell: flash leads. 20 texts can show differences of about 13 in "
        "100 or more; about 49 would show 5. No variant is recommended yet. luna has no "
        "answer to 20 of 40 texts: 100.0 in 100 right on the others, 50.0 with these counted "
        "as wrong. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "eight variants, one of them poor",
        lambda: [
            *(column(f"m{n}", shares(20 + n, 0.95, 60), 1.0 + n) for n in range(7)),
            column("m7", shares(27, 0.6, 60), 0.1),
        ],
        "m0 is as good as any other, and all that is cheaper is worse. On 60 texts it is at "
        "most 3.1 fields in 100 worse than any other (95 %; you allow 5). m7 (by at least "
        "27.3 in 100) is worse than m0. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "a dead variant beside two",
        lambda: [
            column("flash", shares(9, 0.975, 40), 2.14),
            column("luna", shares(11, 0.86, 40), 0.16),
            Scores("dead", {}),
        ],
        "flash is better than luna. On 40 texts it reads at least 1.0 fields in 100 more "
        "right than luna (95 %; 7.8 seen). It costs 13 times as much as luna. dead is left "
        "out: none of the texts could be scored. Run-to-run noise is inside (1 repeat).",
    ),
    Scenario(
        "looked at three times",
        lambda: [
            column("flash", shares(6, 0.97, 80), 2.14),
            column("luna", shares(7, 0.965, 80), 0.16),
        ],
        "luna is as good as flash and 13 times cheaper. On 80 texts it is at most 3.1 fields "
        "in 100 worse than flash (95 %; you allow 5). Looked at 3 times, at 20, 40 and 80 "
        "texts; the bounds allow for it. Run-to-run noise is inside (1 repeat).",
        more={"looks": (20, 40, 80)},
    ),
    Scenario(
        "pages of documents",
        lambda: [
            column("flash", shares(6, 0.97, 60), 2.14),
            column("luna", shares(7, 0.965, 60), 0.16),
        ],
        "Not enough texts to tell: luna leads. 20 groups can show differences of about 13 in "
        "100 or more; about 54 would show 5. No variant is recommended yet. The texts make 20"
        " groups; errors within a group are taken as one. Run-to-run noise is inside (1 "
        "repeat).",
        more={"groups": {f"t{n}": f"d{n // 3}" for n in range(60)}},
    ),
    Scenario(
        "five repeats",
        lambda: [
            column("flash", shares(9, 0.975, 40), 2.14),
            column("luna", shares(11, 0.86, 40), 0.16),
        ],
        "flash is better than luna. On 40 texts it reads at least 1.0 fields in 100 more "
        "right than luna (95 %; 7.8 seen). It costs 13 times as much as luna.",
        more={"repeats": 5},
    ),
    Scenario(
        "two in 100 matter",
        lambda: [
            column("flash", shares(6, 0.97, 60), 2.14),
            column("luna", shares(7, 0.965, 60), 0.16),
        ],
        "Not enough texts to tell: luna leads. 60 texts can show differences of about 5.2 in "
        "100 or more; about 223 would show 2. No variant is recommended yet. Run-to-run noise"
        " is inside (1 repeat).",
        matters=0.02,
    ),
)
