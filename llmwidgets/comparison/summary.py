"""What the static views and the panel show of a comparison: its results in rows and sentences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

from llmwidgets import __version__, formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.rules import split_weight
from llmwidgets.analysis.statistics.intervals import FEWEST_TEXTS
from llmwidgets.analysis.statistics.verdict import (
    MATTERS,
    Outcome,
    Shown,
    Standing,
    Verdict,
    equal_best,
)
from llmwidgets.analysis.statistics.verdict_sentences import expected_sentence
from llmwidgets.comparison.core import ResultData, Rules
from llmwidgets.comparison.measures.aggregate import (
    aggregate,
    as_given,
    read_differences,
    sampled_agreement,
)
from llmwidgets.comparison.measures.causes import explain_failures
from llmwidgets.comparison.measures.scores import (
    caveat_sentences,
    find_sparse,
    lost_functions,
    not_in_full,
    score_rows,
    verdict_of,
    weight_note,
)
from llmwidgets.comparison.measures.stability import measure_stability
from llmwidgets.comparison.measures.text_result import (
    FLAG_WORDS,
    Difference,
    FieldResult,
    TextGrounding,
    ground_text,
    rule_text,
)
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.comparison.texts import file_notes
from llmwidgets.comparison.variants import own_schema_words
from llmwidgets.engine.request_builder import DEFAULT_INSTRUCTIONS
from llmwidgets.errors import FAILURES
from llmwidgets.formatting import join_truncated
from llmwidgets.report import html
from llmwidgets.report.marked_text import MarkedText
from llmwidgets.report.scoreboard import Cell, Line, ScoreRow, Summary, Wording

_NOTEBOOK_LINES = 20
_PAGE_LINES = 2_000
_MOST_STABILITIES = 8


def summarize(
    results: ResultData, *, values: bool = False, page: bool = False, matters: float = MATTERS
) -> Summary:
    """What the static views show; extracted values and truth only where `values` asks.

    `matters` is the smallest difference in accuracy that counts, 0–1.
    """
    sums = aggregate(results)
    lines = _PAGE_LINES if page else _NOTEBOOK_LINES
    verdict = verdict_of(results, matters)
    rows = worded_rows(results, verdict)
    notes = (*foot(results, verdict), *side_notes(results))
    if any(row.agreement is not None for row in rows):
        total, some = len(results.texts), sampled_agreement(results).texts
        where = f", in {some:,} of {formatting.count(total, 'text')}" if some < total else ""
        notes += (
            "“% the same” is the share of values that a variant and the others have in "
            f"common{where}; variants can agree and be wrong.",
        )
    return Summary(
        headline=verdict.headline,
        details=verdict.explanation,
        worse=worse_head(verdict),
        sparse=find_sparse(results) is not None,
        causes=explain_failures(results),
        rows=rows,
        lines=tuple(_lines(results, islice(read_differences(results), lines), values)),
        differing=sums.differing,
        values=values,
        notes=notes,
        footer=_footer(results),
    )


def worded_rows(results: ResultData, verdict: Verdict) -> tuple[ScoreRow, ...]:
    """One row per variant worded as the verdict has it, in the order of the letters.

    Where nothing is scored, it has what the variant has in common with the others.
    """
    sums = aggregate(results)
    rows = [
        replace(row, wording=word_standing(verdict, row.variant, stats))
        for row, stats in zip(score_rows(results), sums.stats, strict=True)
    ]
    if len(rows) > 1 and not sums.scored:
        agreed = sampled_agreement(results)
        shares = (agreed.with_others(at).share() for at in range(len(rows)))
        rows = [
            replace(row, agreement=share[0] if share else None)
            for row, share in zip(rows, shares, strict=True)
        ]
    return tuple(rows)


def foot(results: ResultData, verdict: Verdict) -> tuple[str, ...]:
    """The notes under the scoreboard: how to read it, and what the verdict allows for."""
    how_to_read = "% right counts a lost reply as wrong"
    if any(each.unanswered for each in verdict.standings):
        how_to_read += " and leaves out what got no answer"
    most = "“At most” bounds the share that is lost in the long run (95 %)."
    legend = (f"{how_to_read}; its interval is 95 %. {most}",) if verdict.standings else ()
    chosen = (f"Only some of the texts, chosen by {results.slice_by}.",) if results.slice_by else ()
    return (*chosen, *legend, *verdict.notes, *_stability(results), *_paid_before(results))


def _stability(results: ResultData) -> tuple[str, ...]:
    """How far the repeats of each variant say the same; empty without repeats."""
    shares = [
        f"{formatting.variant_letter(at)} {formatting.percent(share)}"
        for at, each in enumerate(measure_stability(results))
        if (share := each.whole.stability) is not None
    ]
    if not shares:
        return ()
    said = join_truncated(shares, _MOST_STABILITIES)
    return (f"Stability, the % of pairs of repeats that say the same: {said}.",)


def render_page(
    results: ResultData,
    *,
    values: bool = False,
    texts: Sequence[MarkedText] = (),
    matters: float = MATTERS,
) -> str:
    """A self-contained page: the static view, charts, what is right by field, how it was asked.

    `texts` are shown after it, with their values marked.
    """
    summary = summarize(results, values=values, page=True, matters=matters)
    sections = _charts(summary.rows, margin(verdict_of(results, matters)))
    if shares := _by_field(results):
        letters = [formatting.variant_letter(at) for at in range(len(results.variants))]
        rows = [[name, *map(formatting.percent, row)] for name, row in shares]
        table = html.table(["Field", *letters], rows, right=range(1, len(letters) + 1))
        sections.append(("% right by field", table))
    sections.append(("How each was asked", _asked(results)))
    return html.page(_title(results), summary, sections, texts, len(results.texts))


def _title(results: ResultData) -> str:
    """What was compared: the name of the records, the variants and the texts."""
    names = dict.fromkeys(text.schema.name for text in results.texts)
    variants = formatting.count(len(results.variants), "variant")
    texts = formatting.count(len(results.texts), "text")
    return f"{join_truncated([*names], 3)}: {variants} on {texts}"


def _charts(rows: Sequence[ScoreRow], band: tuple[float, float] | None) -> list[tuple[str, str]]:
    low, high = map(formatting.percent, band or (None, None))
    shaded = f'<p class="lw-meta">Shaded: from {low} to {high}, the best seen.</p>' if band else ""
    drawn = (
        ("Quality against cost", "cost_per_1000", "US$ for 1,000 texts"),
        ("Quality against time", "p50_seconds", "seconds for a text, median"),
    )
    charts = [(title, html.scatter_chart(rows, name, axis, band)) for title, name, axis in drawn]
    return [(title, f"{chart}{shaded}") for title, chart in charts if chart]


def margin(verdict: Verdict) -> tuple[float, float] | None:
    """The best accuracy seen, and what lies `matters` below it; None where nothing is compared."""
    if verdict.outcome is None:
        return None
    best = verdict.standings[0].accuracy
    return max(0.0, best - verdict.matters), best


def _asked(results: ResultData) -> str:
    rows = []
    for at, variant in enumerate(results.variants):
        words = variant.instructions or ""
        name = f"{formatting.variant_letter(at)} {results.labels[at]}"
        default = words == DEFAULT_INSTRUCTIONS
        own = own_schema_words(variant, (text.schema for text in results.texts))
        words = "default" if default else words
        rows.append([name, results.models[at], variant.effort or "", words, own or "the same"])
    heads = ["Variant", "Model", "Thinking", "Instructions", "Schema"]
    if all(variant.schema is None for variant in results.variants):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    table = html.table(heads, rows)
    if not any(variant.instructions == DEFAULT_INSTRUCTIONS for variant in results.variants):
        return table
    return f"{table}{html.folded('The default instructions', DEFAULT_INSTRUCTIONS)}"


def _lines(results: ResultData, differences: Iterable[Difference], values: bool) -> Iterator[Line]:
    texts = {text.id: at for at, text in enumerate(results.texts)}
    for name, group in groupby(differences, key=lambda each: each.text_id):
        grounds = ground_text(results, texts[name])
        for each in group:
            name = f"{each.text_id} · {each.repeat + 1}" if each.repeat else each.text_id
            yield word_line(name, each, grounds, values=values)


def word_line(name: str, row: FieldResult, grounds: TextGrounding, *, values: bool) -> Line:
    """What each variant has in one field of a text, beside its truth."""
    cells = []
    for variant, own in enumerate(row.values):
        note = formatting.format_count_words(own.failure)
        if own.state in ("differ", "invented"):
            page = formatting.format_page(grounds.page(own.value, row.pattern))
            note = FLAG_WORDS[grounds.flag(own.value, row.pattern, variant)] or page
        shown = values and own.state in ("differ", "invented", "null in words")
        cells.append(Cell(own.state, value_text(own.value) if shown else None, note))
    truth = "" if row.truth is NOTHING else value_text(row.truth)
    return Line(name, row.path, truth if values else None, tuple(cells))


def value_text(value: Any) -> str | None:
    """A value as a text; None if there is none."""
    if value is None or value is NOTHING:
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _by_field(results: ResultData) -> list[tuple[str, list[float | None]]]:
    columns = aggregate(results).stats
    names = dict.fromkeys(name for stats in columns for name in stats.counts)
    counts = {name: [stats.counts.get(name) for stats in columns] for name in names}
    shares = [
        (name, [count.accuracy if count else None for count in row]) for name, row in counts.items()
    ]
    return sorted(shares, key=lambda item: min(share for share in item[1] if share is not None))


def side_notes(results: ResultData) -> tuple[str, ...]:
    """What a reader of the scores has to know besides them, in sentences."""
    return (
        weight_note(results)
        + _by_functions(results.scoring)
        + lost_functions(results)
        + caveat_sentences(results)
        + _labels_apart(results)
        + not_in_full(results)
        + file_notes(results.texts)
        + results.notes
    )


def _by_functions(rules: Rules) -> tuple[str, ...]:
    """What the user's functions decide."""
    named = [
        f"{path or 'the whole record'} by {rule_text(function)}"
        for path, rule in (rules or {}).items()
        if callable(function := split_weight(rule)[0])
    ]
    return (f"Scored by custom functions: {join_truncated(named)}.",) if named else ()


def _labels_apart(results: ResultData) -> tuple[str, ...]:
    """Labels made after the models' values were seen, reported apart from the truth as given."""
    seen = sum(each.seen for each in results.label_log)
    if not seen:
        return ()
    labels = formatting.count(seen, "label was", "labels were")
    shares = [stats.accuracy for stats in aggregate(as_given(results)).stats]
    known = [
        f"{formatting.variant_letter(at)} {formatting.percent(share)}"
        for at, share in enumerate(shares)
        if share is not None
    ]
    before = f" By the truth as it was given: {', '.join(known)}." if known else ""
    return (f"{labels} made after the models' values were seen.{before}",)


def _paid_before(results: ResultData) -> tuple[str, ...]:
    columns = aggregate(results).stats
    reused = sum(stats.reused for stats in columns)
    dates = [stats.paid_before for stats in columns if stats.paid_before]
    if not reused or not dates:
        return ()
    rows = results.rows
    texts = rows.texts - len({cell.text for cell in rows.cells() if not rows.reused(cell)})
    whole = texts * len(results) == reused * rows.texts
    some = f"{reused:,} of {formatting.count(len(results), 'reply', 'replies')}"
    were = "was" if (texts if whole else reused) == 1 else "were"
    counted = formatting.count(texts, "text") if whole else some
    return (
        f"{counted} {were} already answered and cost nothing now, paid before on "
        f"{formatting.format_day(max(dates).astimezone())}.",
    )


def _footer(results: ResultData) -> str:
    fields = {leaf.path for text in results.texts for leaf in text.schema.leaves}
    groups = {text.group for text in results.texts}
    in_groups = "" if groups == {""} else f" in {formatting.count(len(groups), 'group')}"
    day = formatting.format_day(results.made_at.astimezone())
    counted = [
        formatting.count(len(fields), "field"),
        formatting.count(len(results.texts), "text") + in_groups,
        formatting.count(len(results.variants), "variant"),
    ]
    if results.repeats > 1:
        counted.append(formatting.count(results.repeats, "repeat"))
    return f"{', '.join(counted)}, {day}, llmwidgets {__version__}."


# -- The words of the verdict: the group of each variant, what it loses, how much worse it can be.

_LEFT_OUT = (
    ": too few of their texts can be compared",
    ": too few texts could be scored",
    ": none of the texts could be scored",
)
"""Why the variants of the last groups are left out of the verdict."""


def word_standing(verdict: Verdict, label: str, stats: VariantStats) -> Wording:
    """One variant's result in words, besides its share right."""
    at = next((n for n, each in enumerate(verdict.standings) if each.label == label), None)
    failed = {name: stats.statuses[name] for name in FAILURES if stats.statuses[name]}
    if at is None:
        if not verdict.standings:
            return Wording(failed=formatting.failures(failed))
        why = 2 if not stats.scores else 1 if len(stats.scores) < FEWEST_TEXTS else 0
        return Wording(
            rank=(len(Shown) + 1) * len(verdict.standings) + why,
            title="Left out",
            more=_LEFT_OUT[why],
            failed=formatting.failures(failed),
        )
    each = verdict.standings[at]
    lost = {name: count for name, count in failed.items() if FAILURES[name].scored}
    if sum(lost.values()) != each.lost:
        lost = {}  # Of texts without truth, or several a text: they are named with the others.
    chosen = label == verdict.recommended
    several = len(verdict.standings) > 1
    title, more = group_words(verdict, each.shown) if several else ("", "")
    worse, bound = _worse(verdict, each) if several else ("", "")
    return Wording(
        rank=list(Shown).index(each.shown) * len(verdict.standings) + (0 if chosen else at + 1),
        title=title,
        more=more,
        recommended=chosen,
        came=formatting.percent(each.answered_accuracy),
        loses=f"{each.lost:,} of {each.scored:,}, at most {formatting.percent(each.loss_high)} %",
        lost=formatting.failures(lost),
        failed=formatting.failures(
            {name: count for name, count in failed.items() if name not in lost}
        ),
        unanswered=_unanswered(each),
        worse=worse,
        bound=bound,
        rows=f"{stats.rows_right:,} of {stats.rows:,}" if stats.rows or stats.rows_invented else "",
        other_rows=", ".join(
            f"{count:,} {word}"
            for count, word in ((stats.rows_invented, "invented"), (stats.rows_missed, "missed"))
            if count
        ),
    )


def group_words(verdict: Verdict, shown: Shown) -> tuple[str, str]:
    """The title of a group of variants: the part in bold, and how it goes on."""
    few = f" either way: too few texts to tell within {formatting.margin(verdict.matters)}"
    leads = "Leads" if len(equal_best(verdict)) == 1 else "First among equals"
    return {
        Shown.BEST: ("Better than all others", ""),
        Shown.AS_GOOD: ("Shown to be as good as the best", ""),
        Shown.LEADS: (leads, ", not shown to be better"),
        Shown.NOT_SHOWN: ("Not shown", few),
        Shown.WORSE: ("Shown to be worse", f" than {best_words(verdict)}"),
    }[shown]


def best_words(verdict: Verdict) -> str:
    """Who all are compared with: nobody is called the best before it is shown."""
    if verdict.outcome is not Outcome.NOT_ENOUGH_TEXTS:
        return "the best"
    return "the leader" if len(equal_best(verdict)) == 1 else "the first"


def worse_head(verdict: Verdict) -> str:
    """The head of the column that says how much worse each can be; empty if nothing is compared."""
    if verdict.outcome is None:
        return ""
    end = "95 % interval" if verdict.outcome is Outcome.BETTER else "at most"
    between = ", " if verdict.outcome is Outcome.BETTER else " "
    return f"Worse than {best_words(verdict)} by{between}{end}"


def more_texts(verdict: Verdict) -> str:
    """How many more texts would settle what is open; empty if the verdict names it."""
    is_open = any(each.shown in (Shown.LEADS, Shown.NOT_SHOWN) for each in verdict.standings[1:])
    if not is_open or (verdict.recommended and verdict.recommended == verdict.leader):
        return ""
    if verdict.can_show is None:
        few = 0 if verdict.groups else verdict.texts
        return expected_sentence(few, len(verdict.standings), verdict.matters)
    more = (verdict.texts_needed or 0) - (verdict.groups or verdict.texts)
    if more <= 0:
        return ""
    units = formatting.count(more, f"more labelled {'group' if verdict.groups else 'text'}")
    return (
        f"{units} would show a difference of "
        f"{formatting.margin(verdict.matters)} in 100, four times in five."
    )


def deviation(verdict: Verdict) -> float | None:
    """How much the difference to the best varies from text to text, where that is known."""
    known = [each.deviation for each in verdict.table if verdict.leader in (each.a, each.b)]
    return max((each for each in known if each), default=None)


def _worse(verdict: Verdict, each: Standing) -> tuple[str, str]:
    """How much worse than the best, and what that means; a dash for the best itself."""
    best = verdict.standings[0]
    if each is best:
        return "–", best_words(verdict)
    if verdict.outcome is Outcome.BETTER:
        return _interval(verdict, each)
    if each.worse_by is None or each.worse_by >= 1:
        return formatting.UNKNOWN, "too few texts"
    allowed = formatting.margin(verdict.matters)
    if each.worse_by <= 0:
        return "not worse", f"within {allowed}"
    by = formatting.percent(max(0.001, each.worse_by))
    if each.at_least is not None and each.shown is Shown.WORSE:
        return by, f"at least {_least(each.at_least)}"
    return by, f"within {allowed}" if each.worse_by < verdict.matters else f"more than {allowed}"


def _interval(verdict: Verdict, each: Standing) -> tuple[str, str]:
    best = verdict.standings[0].label
    pair = next(pair for pair in verdict.table if {pair.a, pair.b} == {best, each.label})
    turn = 1 if pair.a == best else -1
    low, high = sorted((turn * pair.low, turn * pair.high))
    return formatting.percent(turn * pair.difference), f"{_least(low)}–{formatting.percent(high)}"


def _least(share: float) -> str:
    """A bound that is above 0 is never shown as 0."""
    return "above 0" if 0 < share < 0.0005 else formatting.percent(share)


def _unanswered(each: Standing) -> str:
    if not each.unanswered:
        return ""
    return (
        f"no answer to {each.unanswered:,} of {each.scored + each.unanswered:,}; "
        f"{formatting.percent(each.accuracy_if_wrong)} % right with these wrong"
    )
