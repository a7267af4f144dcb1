"""Conclusion: what follows from variants that were tested, once it is said what matters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmwidgets.analysis import power
from llmwidgets.analysis import verdict_text as verdict_words
from llmwidgets.analysis.power import FEWEST_TEXTS, LEVEL, Spread
from llmwidgets.analysis.verdict import MATTERS, Outcome, Pair, Shown, Standing, Verdict


@dataclass(frozen=True, slots=True)
class Tested:
    """All variants tested, best first; what is concluded depends on what matters.

    `texts` are those that the best and each other answered, `units` how many groups they make,
    where texts belong together; `better` says whether the first is better than all others.
    """

    standings: tuple[Standing, ...]
    texts: int
    units: int
    table: tuple[Pair, ...]
    better: bool
    left_out: tuple[tuple[str, int], ...] = ()
    looks: tuple[int, ...] = ()
    level: float = LEVEL
    grouped: bool = False
    repeats: int = 1

    def conclude(self, matters: float = MATTERS) -> Verdict:
        """What follows; `matters` is the smallest difference in accuracy that counts, 0 to 1."""
        standings = self._shown(matters)
        chosen = _recommended(standings)
        spread, count = self._open(standings)
        verdict = Verdict(
            headline="",
            outcome=self._outcome(chosen),
            leader=standings[0].label if standings else None,
            recommended=chosen.label if chosen is not None else None,
            not_told_apart=self._groups(),
            table=_with_needs(self.table, matters),
            standings=standings,
            matters=matters,
            texts=self.texts,
            groups=self.units if self.grouped else 0,
            texts_to_equal=power.texts_to_equal(spread, matters, self.level) if spread else None,
            texts_needed=power.texts_needed(spread, matters, count, self.level) if spread else None,
            can_show=power.can_show(spread, self.units, count, self.level) if spread else None,
            looks=self.looks,
        )
        headline, details, notes = verdict_words.words_for(verdict, self.left_out, self.repeats)
        return replace(verdict, headline=headline, details=details, notes=notes)

    def _shown(self, matters: float) -> tuple[Standing, ...]:
        """The standings with what is shown of each."""
        found = []
        for each in self.standings:
            pair = self._against_best(each.label)
            low, high = (pair.low, pair.high) if pair is not None else (0.0, 0.0)
            if pair is not None and pair.b != each.label:
                low, high = -high, -low
            told = pair is not None and pair.told_apart and low > 0
            first = each.label == self.standings[0].label
            if first and self.better:
                shown = Shown.BEST
            elif each.worse_by is not None and each.worse_by < matters:
                shown = Shown.AS_GOOD
            elif first:
                shown = Shown.LEADS
            else:
                shown = Shown.WORSE if told else Shown.NOT_SHOWN
            found.append(replace(each, shown=shown, at_least=low if told else None))
        return tuple(found)

    def _against_best(self, label: str) -> Pair | None:
        wanted = {self.standings[0].label, label}
        return next((each for each in self.table if {each.a, each.b} == wanted), None)

    def _outcome(self, chosen: Standing | None) -> Outcome | None:
        if len(self.standings) < 2:
            return None
        if chosen is None:
            return Outcome.NOT_ENOUGH_TEXTS
        best = chosen.shown is Shown.BEST
        return Outcome.BETTER if best else Outcome.AS_GOOD_AND_CHEAPER

    def _open(self, standings: Sequence[Standing]) -> tuple[Spread | None, int]:
        """The widest spread between the best and those that may be as good, and how many they are.

        Where all are shown to be worse, the nearest one counts.
        """
        rest = [each for each in standings[1:] if each.shown is not Shown.WORSE] or standings[1:2]
        pairs = [self._against_best(each.label) for each in rest]
        spreads = [each.spread for each in pairs if each is not None and each.spread is not None]
        if not spreads or self.units < FEWEST_TEXTS:
            return None, 0
        return max(spreads, key=lambda each: each.deviation), len(rest) + 1

    def _groups(self) -> tuple[tuple[str, ...], ...]:
        """Groups of labels, best first, in which no two are told apart; none inside another."""
        alone = {frozenset((each.a, each.b)) for each in self.table if each.told_apart}
        labels = [each.label for each in self.standings]
        groups: list[tuple[str, ...]] = []
        for index, first in enumerate(labels):
            group = [first]
            for other in labels[index + 1 :]:
                if all(frozenset((each, other)) not in alone for each in group):
                    group.append(other)
            if len(group) > 1 and not any(set(group) <= set(each) for each in groups):
                groups.append(tuple(group))
        return tuple(groups)


def _recommended(standings: Sequence[Standing]) -> Standing | None:
    """The cheapest of those shown to be as good as the best; the best itself at an equal price."""
    # As good as another that got nothing right is no reason to take one.
    if len(standings) < 2 or not standings[0].accuracy:
        return None
    good = [each for each in standings if each.shown in (Shown.BEST, Shown.AS_GOOD)]
    best = standings[0]
    cheaper = [each for each in good if each.is_cheaper(best)]
    if cheaper:
        return min(cheaper, key=lambda each: each.cost_per_1000 or 0.0)
    return best if best in good else None


def _with_needs(table: Sequence[Pair], matters: float) -> tuple[Pair, ...]:
    """The pairs, each with how many texts would tell it apart."""
    power.know((each.spread, each.level / 2) for each in table if each.spread is not None)
    return tuple(
        replace(each, texts_needed=power.texts_needed(each.spread, matters, 2, each.level))
        if each.spread is not None
        else each
        for each in table
    )
