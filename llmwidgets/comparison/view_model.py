"""The static view of a comparison: its reading as the plain values that report renders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from llmwidgets import __version__, formatting
from llmwidgets.analysis.comparators import LostFunction
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.comparison import scoreboard, scoreboard_text
from llmwidgets.comparison import scoreboard_text as caveats
from llmwidgets.comparison.differences import Difference, pattern_of
from llmwidgets.comparison.field_metrics import FLAG_WORDS, TextGrounding
from llmwidgets.comparison.scored import name_in_code, spelled
from llmwidgets.comparison.texts import join_truncated
from llmwidgets.comparison.truth import blank_note
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.errors import FAILURES
from llmwidgets.report import charts, html
from llmwidgets.report.summary import Cell, Line, Row, Summary

if TYPE_CHECKING:
    from llmwidgets.analysis.verdict import Verdict
    from llmwidgets.comparison.aggregate import VariantStats
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.scored import Rules


_NOTEBOOK_LINES = 20
_PAGE_LINES = 2_000


def summarize(
    comparison: Comparison, *, values: bool = False, page: bool = False, matters: float = MATTERS
) -> Summary:
    """What the static views show; extracted values and truth only where `values` asks.

    `matters` is the smallest difference in accuracy that counts, 0–1.
    """
    reading = comparison.reading
    lines = _PAGE_LINES if page else _NOTEBOOK_LINES
    known = len(reading.first) >= min(lines, reading.differing)
    found: Iterable[Difference] = reading.first if known else comparison.differing()
    verdict = comparison.verdict(matters)
    rows = scored_rows(comparison, verdict)
    notes = (*foot(comparison, verdict), *told_beside(comparison))
    if any(row.agreement is not None for row in rows):
        notes = (*notes, _agreed(comparison))
    return Summary(
        headline=verdict.headline,
        details=verdict.details,
        worse=scoreboard_text.worse_head(verdict) if verdict.outcome is not None else "",
        rows=rows,
        lines=tuple(_lines(comparison, islice(found, lines), values)),
        differing=reading.differing,
        values=values,
        notes=notes,
        footer=_footer(comparison),
    )


def scored_rows(comparison: Comparison, verdict: Verdict) -> tuple[Row, ...]:
    """A row a variant, in the order of the letters."""
    rows = tuple(
        _row(comparison, at, tally, verdict)
        for at, tally in enumerate(comparison.reading.tallies)
    )  # fmt: skip
    sparse = caveats.find_sparse(comparison)
    if sparse is None:
        return rows
    leading = zip(sparse.precision, sparse.recall, sparse.f1, strict=True)
    return tuple(replace(row, leading=each) for row, each in zip(rows, leading, strict=True))


def foot(comparison: Comparison, verdict: Verdict) -> tuple[str, ...]:
    """What stands under the scoreboard: how to read it, and what the verdict allows for."""
    legend = (scoreboard_text.legend(verdict),) if verdict.standings else ()
    return (*legend, *verdict.notes, *_paid_before(comparison))


def sections(comparison: Comparison, matters: float = MATTERS) -> list[tuple[str, str]]:
    """What a whole page shows beside the static view: charts, right by field, how it was asked."""
    shares = _by_field(comparison)
    found = _charts(comparison, comparison.verdict(matters))
    if shares:
        head = [
            "Field",
            *(f"{formatting.variant_letter(at)}" for at in range(len(comparison.variants))),
        ]
        rows = [[name, *(formatting.percent(share) for share in row)] for name, row in shares]
        found.append(
            ("% right by field", html.table(head, rows, right=range(1, len(head))))
        )  # fmt: skip
    return [*found, ("How each was asked", _asked(comparison))]


def _charts(comparison: Comparison, verdict: Verdict) -> list[tuple[str, str]]:
    rows = scored_rows(comparison, verdict)
    costs = [row.cost_per_1000 for row in rows]
    times = [row.p50_seconds for row in rows]
    band = margin(verdict)
    drawn = [
        ("Quality against cost", _chart(rows, costs, "US$ for 1,000 texts", band)),
        ("Quality against time", _chart(rows, times, "seconds for a text, median", band)),
    ]
    return [(heading, chart) for heading, chart in drawn if chart]


def margin(verdict: Verdict) -> tuple[float, float] | None:
    """The best accuracy seen, and what lies `matters` below it; None where nothing is compared."""
    if verdict.outcome is None:
        return None
    best = verdict.standings[0].accuracy
    return max(0.0, best - verdict.matters), best


def _chart(
    rows: Sequence[Row],
    across: Sequence[float | None],
    x_title: str,
    band: tuple[float, float] | None,
) -> str:
    points = [
        charts.Point(
            row.letter, row.label, row.accuracy, row.low, row.high, x, row.told.recommended
        )
        for row, x in zip(rows, across, strict=True)
        if row.accuracy is not None and x is not None
    ]
    drawn = charts.scatter(points, f"% of fields right against {x_title}", x_title, band)
    if not drawn or band is None:
        return drawn
    low, high = map(formatting.percent, band)
    said = f"Shaded: from {low} to {high}, the best seen."
    return f'{drawn}<p class="lw-meta">{said}</p>'


def _asked(comparison: Comparison) -> str:
    rows = []
    for at, variant in enumerate(comparison.variants):
        words = variant.instructions or ""
        name = f"{formatting.variant_letter(at)} {comparison.labels[at]}"
        default = words == DEFAULT_INSTRUCTIONS
        rows.append(
            [name, comparison.models[at], variant.effort or "", "default" if default else words]
        )
    table = html.table(["Variant", "Model", "Thinking", "Instructions"], rows)
    if not any(variant.instructions == DEFAULT_INSTRUCTIONS for variant in comparison.variants):
        return table
    return f"{table}{html.folded('The default instructions', DEFAULT_INSTRUCTIONS)}"


def _row(comparison: Comparison, at: int, tally: VariantStats, verdict: Verdict) -> Row:
    label = comparison.labels[at]
    low, high = scoreboard.bounds(comparison, at)
    p50, p95 = scoreboard.quantiles(tally.seconds)
    return Row(
        letter=formatting.variant_letter(at),
        label=label,
        asked=sum(tally.statuses.values()),
        valid=tally.statuses["ok"],
        failures=tuple((name, tally.statuses[name]) for name in FAILURES if tally.statuses[name]),
        accuracy=tally.accuracy,
        low=low,
        high=high,
        p50_seconds=p50,
        p95_seconds=p95,
        cost_per_1000=tally.cost_per_1000,
        agreement=_agreement(comparison, at),
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        timed_out=tally.timed_out,
        paid_now=tally.total_paid_now,
        told=scoreboard_text.standing_text(verdict, label, tally),
    )


def _agreed(comparison: Comparison) -> str:
    total, some = len(comparison.texts), comparison.agreeing.texts
    where = f", in {some:,} of {total:,} texts" if some < total else ""
    return (
        f"“% the same” is the share of values that a variant and the others have in common{where}; "
        "variants can agree and be wrong."
    )


def _agreement(comparison: Comparison, at: int) -> float | None:
    scored = any(tally.scores for tally in comparison.reading.tallies)
    if scored or len(comparison.variants) < 2:
        return None
    found = comparison.agreeing.with_others(at).share()
    return found[0] if found else None


def _lines(comparison: Comparison, found: Iterable[Difference], values: bool) -> Iterator[Line]:
    texts = {text.id: text for text in comparison.texts}
    failures = _failures(comparison)
    for name, group in groupby(found, key=lambda each: each.text_id):
        grounds = TextGrounding(texts[name], comparison.copyings)
        for each in group:
            yield _line(each, grounds, values, failures)


def _line(
    found: Difference, grounds: TextGrounding, values: bool, failures: dict[Any, str]
) -> Line:
    cells = []
    for variant, said in enumerate(found.said):
        note = failures.get((variant, found.text_id, found.repeat), "")
        if said.state != "failed":
            loud = said.state in ("differ", "invented")
            pattern = pattern_of(found.field)
            note = FLAG_WORDS[grounds.flag(said.value, pattern, variant)] if loud else ""
        shown = values and said.state in ("differ", "invented", "null in words")
        cells.append(Cell(said.state, _spelled(said.value) if shown else None, note))
    labelled = values and found.truth is not NOTHING
    name = f"{found.text_id} · {found.repeat + 1}" if found.repeat else found.text_id
    return Line(name, found.field, _spelled(found.truth) if labelled else None, tuple(cells))


def _spelled(value: Any) -> str | None:
    if value is None or value is NOTHING:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _failures(comparison: Comparison) -> dict[Any, str]:
    failed = {}
    for at, tally in enumerate(comparison.reading.tallies):
        if set(tally.statuses) - {"ok"}:
            for place in comparison.places(at):
                status = comparison.status(place)
                if status != "ok":
                    name = comparison.texts[place.text].id
                    failed[at, name, place.repeat] = formatting.format_count_words(status)
    return failed


def _by_field(comparison: Comparison) -> list[tuple[str, list[float | None]]]:
    tallies = comparison.reading.tallies
    names = dict.fromkeys(name for tally in tallies for name in tally.counts.fields)
    counts = {name: [tally.counts.fields.get(name) for tally in tallies] for name in names}
    shares = [
        (name, [count.accuracy if count else None for count in row]) for name, row in counts.items()
    ]
    return sorted(shares, key=lambda item: min(share for share in item[1] if share is not None))


def told_beside(comparison: Comparison) -> tuple[str, ...]:
    """What a reader of the scores has to know besides them, in sentences."""
    return (
        _by_functions(comparison.scoring)
        + caveats.caveat_sentences(comparison)
        + _labels_apart(comparison)
        + scoreboard.not_in_full(comparison)
        + blank_note(comparison.texts)
        + comparison.notes
    )


def _by_functions(rules: Rules) -> tuple[str, ...]:
    """What the user's functions decide, and what those would that a file could not hold."""
    placed = (rules or {}).items()
    named = [
        f"{place or 'the whole record'} by {spelled(rule)}"
        for place, rule in placed
        if callable(rule)
    ]
    lost = (
        f"{place or 'The whole record'} was scored by the function {rule.name}, which a file "
        "cannot hold: here it is scored by the default rules. To score as before, define "
        f"{(name := name_in_code(place, rule))} and call "
        f'comparison.rescore({{**comparison.scoring, "{place}": {name}}}).'
        for place, rule in placed
        if isinstance(rule, LostFunction)
    )
    return (*([f"Scored by custom functions: {join_truncated(named)}."] if named else []), *lost)


def _labels_apart(comparison: Comparison) -> tuple[str, ...]:
    """Labels made after the models' values were seen, reported apart from the truth as given."""
    seen = sum(each.seen for each in comparison.made)
    if not seen:
        return ()
    verb = "label was" if seen == 1 else "labels were"
    said = f"{seen} {verb} made after the models' values were seen."
    shares = [tally.accuracy for tally in comparison.as_given().reading.tallies]
    known = [
        f"{formatting.variant_letter(at)} {formatting.percent(share)}"
        for at, share in enumerate(shares)
        if share is not None
    ]
    given = f"By the truth as it was given: {', '.join(known)}." if known else ""
    return (f"{said} {given}".strip(),)


def _paid_before(comparison: Comparison) -> tuple[str, ...]:
    tallies = comparison.reading.tallies
    reused = sum(tally.reused for tally in tallies)
    dates = [tally.paid_before for tally in tallies if tally.paid_before]
    if not reused or not dates:
        return ()
    day = max(dates).astimezone()
    rows = comparison.rows
    texts = sum(rows.all_reused(text) for text in range(rows.texts))
    whole = texts * len(comparison) == reused * rows.texts
    said = (
        formatting.count(texts, "text") if whole else f"{reused:,} of {len(comparison):,} replies"
    )
    was = "was" if whole and texts == 1 else "were"
    return (
        f"{said} {was} already answered and cost nothing now, paid before on "
        f"{day.day} {day:%b %Y}.",
    )


def _footer(comparison: Comparison) -> str:
    fields = {leaf.path for text in comparison.texts for leaf in text.schema.leaves}
    day = comparison.made_at.astimezone()
    counted = [
        formatting.count(len(fields), "field"),
        formatting.count(len(comparison.texts), "text") + _in_groups(comparison),
        formatting.count(len(comparison.variants), "variant"),
    ]
    if comparison.repeats > 1:
        counted.append(f"{comparison.repeats} repeats")
    return f"{', '.join(counted)}, {day.day} {day:%b %Y}, llmwidgets {__version__}."


def _in_groups(comparison: Comparison) -> str:
    groups = {text.group for text in comparison.texts}
    return "" if groups == {""} else f" in {formatting.count(len(groups), 'group')}"
