"""Each variant now beside itself in an earlier comparison, on the texts of both.

Both sides are scored by the truth and the rules of now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.rules import RECORD
from llmwidgets.analysis.statistics.changes import ChangeVerdict, VariantChange
from llmwidgets.analysis.statistics.significance import Scores, compare_runs, level_after
from llmwidgets.comparison.core import CellKey, ResultData
from llmwidgets.comparison.measures.scores import groups_of, known_looks, weight_note
from llmwidgets.comparison.measures.text_result import (
    TextResult,
    data_to_compare,
    read_text_result,
    score_against,
)
from llmwidgets.comparison.measures.variant_stats import VariantStats

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.scoring import TextScore


_Name = TypeVar("_Name", str, bytes)


class Flip(NamedTuple):
    """A field that was right and is wrong, or the other way round; no value of it.

    `text` and `before` count the texts now and then, `variant` the columns of now.
    """

    variant: int
    text: int
    before: int
    repeat: int
    path: str
    to_right: bool


class FoundChanges(NamedTuple):
    """The verdict, what flipped, and both sides, scored by the truth of now."""

    verdict: ChangeVerdict
    flips: list[Flip]
    now: ResultData
    before: ResultData

    def values(self, flip: Flip, before: int) -> tuple[Any, Any, Any]:
        """The truth of a field that flipped, its value before and its value now.

        `before` is the column of the earlier results.
        """
        new = read_text_result(self.now, flip.text, flip.repeat).scores[flip.variant]
        old = read_text_result(self.before, flip.before, flip.repeat).scores[before]
        cells = [{cell.path: cell for cell in each.cells}.get(flip.path) for each in (old, new)]
        truth = next((each.truth for each in cells if each is not None), NOTHING)
        then, now = (NOTHING if each is None else each.value for each in cells)
        return truth, then, now


# -- which texts are the same ----------------------------------------------------------------------


def match_texts(
    now: Sequence[tuple[_Name, _Name]], before: Sequence[tuple[_Name, _Name]]
) -> list[tuple[int, int]]:
    """The places of each text that is in both: one with the same id and words.

    Texts are (id, words), or hashes of these. Those that changed their ids are known by their
    words, if only one has them. Words that are not there (outputs made elsewhere) are taken as the
    same.
    """
    at_id = {id_: at for at, (id_, _) in enumerate(before)}
    pairs = {
        at: at_id[id_]
        for at, (id_, words) in enumerate(now)
        if id_ in at_id and _same_words(words, before[at_id[id_]][1])
    }
    taken = set(pairs.values())
    rest = _unique((words, at) for at, (_, words) in enumerate(before) if at not in taken)
    left = _unique((words, at) for at, (_, words) in enumerate(now) if at not in pairs)
    pairs |= {at: rest[words] for words, at in left.items() if words in rest}
    return sorted(pairs.items())


def match_results(now: ResultData, before: ResultData) -> list[tuple[int, int]]:
    """The places of each text that is in both comparisons (see `match_texts`)."""
    new, old = ([(text.id, text.text) for text in each.texts] for each in (now, before))
    return match_texts(new, old)


def _same_words(one: _Name, other: _Name) -> bool:
    return one == other or not one or not other


def _unique(named: Iterable[tuple[_Name, int]]) -> dict[_Name, int]:
    """The place of each words that only one text has."""
    places: dict[_Name, list[int]] = {}
    for words, at in named:
        if words:
            places.setdefault(words, []).append(at)
    return {words: at[0] for words, at in places.items() if len(at) == 1}


# -- both sides, scored ----------------------------------------------------------------------------


def compare_with_earlier(
    now: ResultData,
    earlier: ResultData,
    columns: Sequence[tuple[int, int]],
    changed: tuple[str, ...],
    margin: float,
) -> FoundChanges:
    """Variants of now tested against themselves in the earlier results, and what flipped.

    `columns` say which answer to one another, now and earlier, `changed` what else differs.
    """
    texts = match_results(now, earlier)
    # Both sides by the truth and the rules of now: what was known then is of no account.
    documents = list(earlier.texts)
    for at, then in texts:
        documents[then] = now.texts[at]
    before = replace(earlier, texts=tuple(documents), scoring=now.scoring, label_log=())
    sides = [_Sides(now, *pair) for pair in columns]
    for at, then in texts:
        for repeat in range(max(now.repeats, earlier.repeats)):
            new = read_text_result(now, at, repeat) if repeat < now.repeats else None
            old = read_text_result(before, then, repeat) if repeat < earlier.repeats else None
            for side in sides:
                side.add(new, old)
    looks = known_looks(now)
    found = compare_runs([each.scores for each in sides], groups=groups_of(now), looks=looks)
    reused = [
        now.rows.reused(CellKey(column, at, repeat))
        for column, _ in columns for at, _ in texts for repeat in range(now.repeats)
    ]  # fmt: skip
    verdict = ChangeVerdict(
        since=earlier.made_at,
        until=now.made_at,
        level=level_after(looks),
        grouped=groups_of(now) is not None,
        changes=tuple(each.change() for each in sides),
        texts=len(texts),
        repeats=(earlier.repeats, now.repeats),
        reused=bool(reused) and all(reused),
        weighted=bool(weight_note(now)),
        whole_records=callable((now.scoring or {}).get(RECORD)),
        changed=changed,
        rescored=now.scoring != earlier.scoring
        or any(now.texts[at].truth != earlier.texts[then].truth for at, then in texts),
        tests=found,
    )
    flips = [flip for each in sides for flip in each.flips]
    return FoundChanges(verdict.at(margin), flips, now, before)


class _Sides:
    """One variant, now and before, while the texts of both are read."""

    def __init__(self, now: ResultData, variant: int, before: int) -> None:
        self.label, self._variant, self._before = now.labels[variant], variant, before
        self._scoring = now.scoring
        self._whole = callable((now.scoring or {}).get(RECORD))
        self._stats = VariantStats(), VariantStats()
        self.flips: list[Flip] = []
        self.fields = self.changed = self.values = 0

    def add(self, now: TextResult | None, before: TextResult | None) -> None:
        """Count one text and repeat of each; None where that repeat was not asked."""
        columns = self._variant, self._before
        for stats, each, at in zip(self._stats, (now, before), columns, strict=True):
            if each is not None:
                stats.score(each.document, each.outcomes[at], each.scores[at], self._scoring)
        if now is None or before is None:
            return
        new, old = now.scores[self._variant], before.scores[self._before]
        if new.accuracy is not None and old.accuracy is not None:
            self._count_flips(now, before, new, old)
        self._count_values(now, before)

    def _count_flips(
        self, now: TextResult, before: TextResult, new: TextScore, old: TextScore
    ) -> None:
        place = self._variant, now.text, before.text, now.repeat
        if self._whole:
            self.fields += new.labelled
            if new.accuracy != old.accuracy:
                better = (new.accuracy or 0.0) > (old.accuracy or 0.0)
                self.flips.append(Flip(*place, "", better))
            return
        right_now, right_before = _right(new), _right(old)
        self.fields += len(right_now.keys() & right_before.keys())
        for path in right_now | right_before:
            # What is in neither truth nor answer of one side was not wrong there.
            is_right, was_right = right_now.get(path, True), right_before.get(path, True)
            if is_right != was_right:
                self.flips.append(Flip(*place, path, is_right))

    def _count_values(self, now: TextResult, before: TextResult) -> None:
        """Count the values that are others than before, for texts without truth."""
        outcomes = now.outcomes[self._variant], before.outcomes[self._before]
        if now.document.truth is not NOTHING or not all(each.has_data for each in outcomes):
            return
        answers = now.extractions[self._variant], before.extractions[self._before]
        value, reference = (data_to_compare(each, now.document) for each in answers)
        score = score_against(now.document.schema, value, reference, self._scoring)
        self.values += len(score.cells)
        self.changed += sum(cell.right is not True for cell in score.cells)

    @property
    def scores(self) -> tuple[Scores, Scores]:
        now, before = (
            Scores(
                self.label, each.mean_scores, lost=frozenset(each.lost), unanswered=each.unanswered
            )
            for each in self._stats
        )
        return now, before

    def change(self) -> VariantChange:
        """What is known before it is tested."""
        now, before = self.scores
        both = now.scores.keys() & before.scores.keys()
        return VariantChange(
            label=self.label,
            texts=len(both),
            now=_mean(now.scores, both),
            before=_mean(before.scores, both),
            fields=self.fields,
            to_wrong=sum(not each.to_right for each in self.flips),
            to_right=sum(each.to_right for each in self.flips),
            lost_now=len(now.lost & both),
            lost_before=len(before.lost & both),
            unanswered_now=len(now.unanswered),
            unanswered_before=len(before.unanswered),
            changed=None if both else self.changed,
            values=None if both else self.values,
        )


def _right(score: TextScore) -> dict[str, bool]:
    return {cell.path: cell.right for cell in score.cells if cell.right is not None}


def _mean(scores: Mapping[str, float], texts: Iterable[str]) -> float | None:
    some = [scores[text] for text in texts]
    return sum(some) / len(some) if some else None


# -- the frame of flips, which knows its verdict ---------------------------------------------------


def with_verdict(frame: pd.DataFrame, conclude: Callable[[], ChangeVerdict]) -> pd.DataFrame:
    """The frame with `.verdict`, which is computed when it is asked for."""
    flips: pd.DataFrame = _flips_class()(frame)
    flips.attrs = frame.attrs
    object.__setattr__(flips, "_conclude", conclude)
    return flips


@lru_cache(maxsize=1)
def _flips_class() -> Any:
    import pandas as pd

    class Flips(pd.DataFrame):
        """One row per field that flipped; `.verdict` says whether it got worse."""

        _conclude: Callable[[], ChangeVerdict]

        @property
        def _constructor(self) -> Any:
            return pd.DataFrame  # a part of it has no verdict of its own

        @cached_property
        def verdict(self) -> ChangeVerdict:
            """Each variant against itself in the earlier run: `.sentence`, `.table`, `.at`."""
            return self._conclude()

        def __reduce_ex__(self, _protocol: Any) -> Any:
            plain = pd.DataFrame(self)
            plain.attrs = self.attrs
            return pd.DataFrame.copy, (plain,)

    return Flips
