"""Looks: at how many scored texts a verdict was shown, for the same replies.

Who looks again with every few labels, and stops when models are told apart, finds differences that
are not there; so each look is counted, also across runs that share replies in a journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmwidgets.analysis.intervals import FEWEST_TEXTS
from llmwidgets.comparison.scored import Place
from llmwidgets.comparison.texts import spread

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


_KEYS = 8
"""How many replies stand for all those of a variant that a look was at."""


def known(comparison: Comparison) -> tuple[int, ...]:
    """The looks up to one at the texts scored now, counted or not; none at too few for a verdict.

    A look at as many texts as before is not a new one.
    """
    tallies = comparison.reading.tallies
    scored = len({text for tally in tallies for text in tally.scores})
    if scored < FEWEST_TEXTS:
        return ()
    comparison.looks.update(comparison.journal.looks(comparison.rows.ids))
    return tuple(sorted(each for each in {*comparison.looks, scored} if each <= scored))


def taken(comparison: Comparison) -> tuple[int, ...]:
    """The looks up to this one, which is counted.

    While replies are still coming it is not: what is shown then is not yet the result.
    """
    found = known(comparison)
    if found and found[-1] not in comparison.looks and not comparison.rows.open:
        comparison.looks.add(found[-1])
        comparison.journal.put_look(found[-1], _keys(comparison))
    return found


def _keys(comparison: Comparison) -> list[list[str]]:
    """For each variant the journal's keys of some scored replies, evenly spread."""
    found = []
    places = {text.id: at for at, text in enumerate(comparison.texts)}
    for variant, tally in enumerate(comparison.reading.tallies):
        texts = [places[name] for name in tally.scores]
        some = (texts[at] for at in spread(len(texts), _KEYS))
        rows = [comparison.row(Place(variant, text, 0)) for text in some]
        if keys := [row.key for row in rows if row.answered and row.key]:
            found.append(keys)
    return found
