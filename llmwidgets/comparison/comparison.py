"""compare, extract and estimate, which ask models about texts, and the Comparison they return."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison import dataframes, history, run_settings, runs, serialization
from llmwidgets.comparison.cluster.texts.text_files import texts_to_count
from llmwidgets.comparison.core import Missing, ResultData, Scoring, results_of_outputs
from llmwidgets.comparison.files import read_document, read_tool_outputs
from llmwidgets.comparison.files.names import names_file
from llmwidgets.comparison.marked_texts import mark_texts
from llmwidgets.comparison.measures import aggregate, changes, slices
from llmwidgets.comparison.measures.doubt import review_frame
from llmwidgets.comparison.measures.error_kinds import error_frame, kind_frame
from llmwidgets.comparison.measures.scores import scoreboard_frame, verdict_of
from llmwidgets.comparison.measures.stability import stability_frame
from llmwidgets.comparison.plain_code import write_plain_code
from llmwidgets.comparison.summary import render_page, summarize
from llmwidgets.comparison.texts import row_names
from llmwidgets.comparison.truth import Blank, correct
from llmwidgets.comparison.variants import with_stand_ins
from llmwidgets.engine.estimate import Estimate
from llmwidgets.engine.estimate import estimate as estimate_plan
from llmwidgets.engine.event_loop import refuse_await
from llmwidgets.engine.journal import Journal, open_for_call
from llmwidgets.errors import (
    FieldError,
    StoreLocked,
    UnknownConnection,
    name_methods,
    no_such_name,
    unpicklable,
)
from llmwidgets.formatting import count, with_article
from llmwidgets.report import html
from llmwidgets.report.scoreboard import render_text
from llmwidgets.report.writers import write_text

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.variants import Examples
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.store.store import Store


_MEANT = {
    "to_json": "save(path) writes JSON that load reads again, to_jsonl(path) a table.",
    "to_pandas": "to_frame() has a row per value, scoreboard() a row per variant.",
    "to_dataframe": "to_frame() has a row per value, scoreboard() a row per variant.",
    "accuracy": "scoreboard() has it for each variant, by_field() for each field.",
    "cost": "scoreboard() has the cost of each variant.",
    "plot": "explore() opens the panel, with its charts.",
    "show": "explore() opens the panel.",
    "summary": "verdict() says it in words, scoreboard() in figures.",
    "results": "records(variant) has the records, to_frame() a row per value.",
    "best": "verdict().recommended is the label to take, or None.",
    "winner": "verdict().recommended is the label to take, or None.",
}
"""What people look for, and what it is called here."""


@unpicklable(
    "A comparison cannot be pickled: result.save(path) writes it to a file, and lw.load(path) "
    "reads that."
)
@name_methods
@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(ResultData):
    """Every text asked of every variant, scored where there is truth.

    Shares are 0–1, money US dollars, times seconds. Nothing is held in memory but row ids: the
    extractions are read from the journal when they are looked at.

    >>> result = compare(Invoice, texts, models="demo", truth=truth)   # doctest: +SKIP
    >>> result.scoreboard()[["variant", "accuracy", "cost"]]           # doctest: +SKIP
    """

    # What is measured, each documented where it is made.
    scoreboard = scoreboard_frame
    verdict = verdict_of
    to_frame = dataframes.long_frame
    differences = dataframes.difference_frame
    by_field = dataframes.field_frame
    by_text = dataframes.text_frame
    stability = stability_frame
    agreement = dataframes.agreement_frame
    grounding = dataframes.grounding_frame
    doubtful_labels = dataframes.doubtful_frame
    errors = error_frame
    error_kinds = kind_frame
    corrections = dataframes.corrections_frame
    metadata = slices.metadata_frame
    where = slices.where
    review = review_frame
    save = serialization.save

    def records(self, variant: str) -> pd.DataFrame:
        """One variant's records, one row per text. FieldError for an unknown label."""
        return dataframes.record_frame(self, self._at(variant))

    def __getitem__(self, variant: str) -> pd.DataFrame:
        """`result["label"]` is `result.records("label")`."""
        return self.records(variant)

    if not TYPE_CHECKING:  # a type checker knows the names

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise no_such_name("A Comparison", name, dir(type(self)), _MEANT)

    def _at(self, variant: str) -> int:
        if variant not in self.labels:
            raise FieldError(
                f"There is no variant {variant}.", f"The variants are {', '.join(self.labels)}."
            )
        return self.labels.index(variant)

    def correct(
        self, text_id: str, field: str, value: Any, *, by: str = "", seen: bool = True
    ) -> Comparison:
        """The comparison with one label set; every score follows, nothing is called.

        `field` is a path such as `total` or `lines[0].total`; None says that the text has no
        value. `by` is who or what the label comes from, `seen` whether it was made after the
        models' values were seen. FieldError where the value does not fit the schema.

        >>> result = result.correct("letter-7", "total", 12.5, by="Ada")   # doctest: +SKIP
        """
        texts, correction = correct(self.texts, text_id, field, value, by=by, seen=seen)
        return aggregate.relabel(self, texts, (*self.label_log, correction))

    def as_given(self) -> Comparison:
        """The same replies by the truth as it was given, without labels made after the run."""
        return aggregate.as_given(self)

    def rescore(self, scoring: Scoring) -> Comparison:
        """The same replies under other rules of what counts as right (see `compare`); no calls."""
        return replace(self, scoring=runs.read_rules(scoring, self.texts))

    def rerun(self, models: Any = None, **more: Any) -> Comparison:
        """Ask the same texts again; pays only for what was not answered.

        `models` takes the place of the variants; `more` are keywords of `compare` such as
        `store`, `budget`, `progress` or `cluster`. Without a cluster, what its workers answered is
        found all the same, and new replies are in a journal of this machine.
        """
        refuse_await("rerun")
        cluster = more.pop("cluster", None)
        if cluster is None:
            return runs.run_again(self, models, **more)
        from llmwidgets.comparison.cluster.runs import folder_of, run_on_cluster

        if more.get("journal") in (None, True):
            more["journal"] = folder_of(self, reuse=more.get("reuse", True))
        run = partial(run_on_cluster, cluster=cluster)
        return runs.run_again(self, models, run=run, **more)

    def against(self, earlier: Comparison) -> pd.DataFrame:
        """What flipped since an earlier comparison: value, right and status, before and now.

        `.verdict` says whether it got worse: each variant tested against itself then, by the truth
        and the rules of now (`.sentence`, `.table`; `.at(0.02)` allows another loss than 5 fields
        in 100). `.attrs["changed"]` has the sentences of `changes_since`.
        """
        _refuse_other("earlier", earlier)
        frame = dataframes.flipped_frame(self, earlier, run_settings.match_variants(self, earlier))
        frame.attrs["changed"] = list(self.changes_since(earlier))
        return changes.with_verdict(
            frame, lambda: history.compare_with_earlier(self, earlier).verdict
        )

    def changes_since(self, earlier: Comparison) -> tuple[str, ...]:
        """What differs from an earlier comparison, other than the answers, in sentences.

        Models, schemas, texts, truth, scoring, instructions, examples, thinking, limits, versions.
        """
        _refuse_other("earlier", earlier)
        return run_settings.describe_changes(self, earlier)

    @classmethod
    def from_outputs(
        cls,
        schema: Any,
        texts: Any,
        outputs: Any,
        truth: Any = None,
        scoring: Scoring = None,
        *,
        group: Any = None,
        blank: Blank = None,
        missing: Missing = "unanswered",
        repeats: int = 1,
    ) -> Comparison:
        """Outputs that were made elsewhere, compared by the same rules; calls nothing.

        Texts may be empty; `schema` is None where each text has its own. Outputs are a list as
        long as the texts, a dict by id, or a DataFrame with a column for each field. An output is
        JSON, a string or UTF-8 bytes to parse, or None: no answer came, and the text is not
        scored, or, with `missing="wrong"`, the model failed and its fields are wrong. `group` and
        `blank` are those of `compare`. FieldError names what does not fit.

        With `repeats=3` each label has a list of 3 runs, each of them outputs as above:
        {"A": [run_1, run_2, run_3]}. A list (or dict by id) with 3 outputs for each text is read
        too; what can be either is read as runs. Give None for an output that is missing.

        The Path of a file of promptfoo, Inspect or OpenAI Evals, or a list of such, is read as
        well (docs/other_tools.md): its models are the labels, and with texts=None its texts are
        the texts.

        >>> Comparison.from_outputs(Invoice, None, Path("results.json"))   # doctest: +SKIP
        """
        repeats = runs.read_repeats(repeats)
        tool = read_tool_outputs(outputs)
        texts = list(tool.texts) if tool is not None and texts is None else texts
        documents = runs.read_documents(
            schema, texts, truth, group=group, blank=blank, allow_empty=True
        )
        rules = runs.read_rules(scoring, documents)
        if tool is not None:
            outputs, repeats = tool.outputs_for(documents, repeats)
        results = results_of_outputs(
            cls, documents, outputs, rules, missing, row_names(texts), repeats
        )
        return results if tool is None else replace(results, notes=(*results.notes, tool.note))

    def export(
        self,
        path: str | os.PathLike[str],
        table: str = "fields",
        *,
        format: str | None = None,  # noqa: A002
        values: bool = False,
    ) -> Path:
        """Write a file in the format of the path's suffix, or in `format`.

        csv, jsonl, parquet and xlsx have one `table` with extracted values (fields, scoreboard,
        errors and others; docs/comparison.md has them all). html is a page, with extracted values
        and truth only with `values=True`; json is what `save` writes, label_studio what Label
        Studio imports. FieldError for another format or table.
        """
        return serialization.export(self, path, table, format, values)

    def to_html(
        self, path: str | os.PathLike[str], values: bool = False, texts: bool = False
    ) -> Path:
        """Write a self-contained page; extracted values and truth only with `values=True`.

        With `texts=True` too it is a page to share: each text, with the values marked where they
        were found (as many texts as a browser shows at once). FieldError for texts without values.

        >>> result.to_html("invoices.html", values=True, texts=True)   # doctest: +SKIP
        """
        if texts and not values:
            raise FieldError(
                {"texts": "shows the texts with the values in them, which values=True asks for."},
                "Write to_html(path, values=True, texts=True), or leave texts out.",
            )
        shown = mark_texts(self) if texts else ()
        return write_text(path, render_page(self, values=values, texts=shown))

    def to_csv(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table (see `export`) as CSV with spreadsheet formulas escaped."""
        return self.export(path, table, format="csv")

    def to_jsonl(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table (see `export`) as JSON, one object per line."""
        return self.export(path, table, format="jsonl")

    def to_parquet(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table (see `export`) as Parquet; FieldError if pyarrow is not installed."""
        return self.export(path, table, format="parquet")

    def to_excel(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table (see `export`) as an Excel workbook in which no cell is a formula.

        FieldError if openpyxl is not installed, or where a sheet has no room for all rows.
        """
        return self.export(path, table, format="xlsx")

    def to_label_studio(self, path: str | os.PathLike[str]) -> Path:
        """Write every text with each variant's values as predictions that Label Studio imports."""
        return self.export(path, format="label_studio")

    def code(self, variant: str | None = None, *, plain: bool = False) -> str:
        """Python that runs the same comparison, or one variant of it; no secret, no text in it.

        With `plain`, code without llmwidgets: one variant asked by its vendor's own client, in at
        most 40 lines, with the same instructions, schema, mode and settings. Without a variant
        named, it is the recommended one. FieldError where none is, or it was not asked here.

        >>> print(result.code("openai/gpt-6-luna", plain=True))   # doctest: +SKIP
        """
        if plain:
            return write_plain_code(self, self._at(variant or self._recommended()))
        chosen = self.labels if variant is None else (self.labels[self._at(variant)],)
        return str(run_settings.script_of(self, chosen=chosen))

    def _recommended(self) -> str:
        label = self.labels[0] if len(self.labels) == 1 else self.verdict().recommended
        if label is None:
            raise FieldError(
                {"variant": "no variant is recommended by these texts."},
                f"Name one of {', '.join(self.labels)}.",
            )
        return label

    def explore(self) -> Any:
        """The panel on this comparison, for a notebook."""
        # The panel is a layer above; the package's lazy names are the one way up.
        import llmwidgets

        panel: Any = llmwidgets.ComparisonPanel
        return panel._on(self)

    def __repr__(self) -> str:
        return render_text(summarize(self))

    def _repr_html_(self) -> str:
        return html.fragment(summarize(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


def compare(
    schema: Any,
    texts: Any,
    models: Any,
    *,
    truth: Any = None,
    group: Any = None,
    blank: Blank = None,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    scoring: Scoring = None,
    store: Store | None = None,
    concurrency: int | None = None,
    budget: float | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
    progress: bool = True,
    cluster: Any = None,
) -> Comparison:
    """Ask every model about every text, and compare the records.

    `texts` are strings, dicts with `text` (and `id`, `truth`, `schema`), pairs (id, text), a
    DataFrame, a data set of Hugging Face, or files: the Path of a table (CSV, TSV, JSON, JSON
    lines, Excel, Parquet), of a text, a PDF or a folder of these, of an export of Label Studio, or
    a list of Paths. `truth` is a list, a dict by id, a DataFrame, a data set, the Path of a table
    or the name of a column of the texts; the same thing as the texts where its columns are named
    like fields. All forms by example: docs/reference/forms.md.

    Blocks with a progress bar; an interrupt stops cleanly and gives what is there. `budget` is
    in US dollars for new calls; a run estimated above 5 asks for one. `journal` is a path, False
    for memory, or the user's cache folder. What cannot be asked raises before the first call
    (FieldError, UnknownConnection, StoreLocked, PolicyError); what fails later is a row.

    `scoring` has rules by field, `{"total": "number:0.01"}`, and by list: `{"lines[]": "key:sku"}`
    pairs rows whose key is right and no others, `{"lines[]": "match:0.7"}` those with at least
    that share of fields right. A rule can be a function of (value, truth) that returns True, False
    or a share from 0 to 1; a function in place of all rules scores whole records.
    `{"total": "number:1% weight:5"}` allows 1 % of the truth and counts five times; of a function
    it is `{"rule": f, "weight": 5}`.

    `cluster` is a `dask.distributed.Client`: its workers ask, each with the keys that it finds on
    its own machine, and `journal` is then a folder that all of them reach (docs/scale.md). Texts
    are then Parquet files that all of them reach: the name of one, of a folder, a glob, a URL
    (s3://, gs://, abfs://, file://) or a list of these, or a Dask DataFrame; their words are read
    where they are used. By value there may be 16 MB.

    What comes from pandas follows its index: the ids of texts without ids are their index, and
    truth, outputs and groups are matched by theirs where it names texts, by position only where it
    counts rows from 0. Awaiting the call is refused before anything is asked: it blocks.

    Further columns or keys of the texts with one value each are kept as `metadata` of the text,
    for `scoreboard(by="vendor")` and `where(vendor="ACME")`; they are sent nowhere.

    `group` says which texts belong together (pages of one document, mails of one sender), so that
    ten copies do not count as ten: the name of a column or key of the texts, a list as long as
    they are, or a dict by id. A blank label ("" or an empty cell) is not labelled; with
    `blank="null"` it says that the text has no value.

    >>> from llmwidgets.demo import invoices                                   # doctest: +SKIP
    >>> compare(invoices.Schema, invoices.texts, "demo", truth=invoices.truth)  # doctest: +SKIP
    """
    refuse_await("compare")
    options = runs.RunOptions(
        journal=journal, concurrency=concurrency, budget=budget, reuse=reuse, progress=progress
    )
    read: Callable[..., tuple[Document, ...]] = runs.read_documents
    if cluster is not None:
        from llmwidgets.comparison.cluster.frames import write_frame
        from llmwidgets.comparison.cluster.runs import check_cluster, name_folder, run_on_cluster
        from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents

        check_cluster(cluster)
        options = name_folder(options)
        write = partial(write_frame, cluster=cluster, place=str(options.journal))
        read = partial(read_stored_documents, write_frame=write)
    documents = read(schema, texts, truth, group=group, blank=blank)
    rules = runs.read_rules(scoring, documents)
    planned = runs.build_plan(
        documents, models, instructions=instructions, examples=examples, repeats=repeats,
        store=store,
    )  # fmt: skip
    if cluster is not None:
        return run_on_cluster(Comparison, planned, rules, options, cluster)
    return runs.run_plan(Comparison, planned, rules, options)


def extract(
    schema: Any,
    text: Any,
    model: Any,
    *,
    instructions: str | None = None,
    examples: Examples | None = None,
    store: Store | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
) -> Extraction:
    """One text, one model: .record .data .failure .status .mode .usage .seconds .request.

    A text is a string, a row with `text`, or the Path of one document. A failure is in `.failure`,
    not raised; what cannot be asked raises as in `compare` (FieldError, say).

    >>> from llmwidgets.demo import invoices                                   # doctest: +SKIP
    >>> extract(invoices.Schema, invoices.texts[0], "demo-careful").record     # doctest: +SKIP
    """
    refuse_await("extract")
    if names_file(text, "text"):
        text = read_document(text)
    planned = runs.build_plan(
        runs.read_documents(schema, [text]), model, instructions=instructions, examples=examples,
        store=store,
    )  # fmt: skip
    given = journal is False or isinstance(journal, Journal)
    opened = journal if given else open_for_call(journal)
    options = runs.RunOptions(journal=opened, reuse=reuse, progress=False)
    compared = runs.run_plan(Comparison, planned, None, options)
    if len(compared) != 1:
        raise FieldError(
            {"model": f"names {count(len(compared), 'model')}."}, "Name one, or use compare."
        )
    extraction = next(iter(compared))
    # There is no comparison that could report a journal in trouble.
    notes = tuple(dict.fromkeys((*extraction.notes, *compared.notes)))
    return replace(extraction, notes=notes)


def estimate(
    schema: Any,
    texts: Any,
    models: Any,
    *,
    truth: Any = None,
    group: Any = None,
    blank: Blank = None,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    scoring: Scoring = None,
    store: Store | None = None,
    concurrency: int | None = None,
    budget: float | None = None,
    journal: str | Path | bool | None = None,
    reuse: bool = True,
    progress: bool = True,
    cluster: Any = None,
    after: Comparison | None = None,
) -> Estimate:
    """What the same `compare` would take: tokens, dollars, seconds, hosts, memory; calls nothing.

    A vendor that is not connected yet can be named all the same: "openai/gpt-6-luna".

    What the journal has answered before is told, and its times and tokens narrow the range; the
    figures are those of all calls, also where some need not be asked again. `after` is a comparison
    of a few of the texts on the same variants, which narrows it as well. Of more than 1,000 texts
    in files, which a run on a `cluster` reads, 1,000 are counted.
    """
    if after is not None:
        _refuse_other("after", after)
    read: Callable[..., tuple[Document, ...]] = runs.read_documents
    if cluster is not None:
        from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents as read
    documents = read(schema, texts, truth, group=group, blank=blank)
    runs.read_rules(scoring, documents)
    plan = partial(
        runs.build_plan, documents, instructions=instructions, examples=examples, repeats=repeats,
        store=store,
    )  # fmt: skip
    try:
        planned = plan(models)
    except (UnknownConnection, StoreLocked):
        planned = plan(with_stand_ins(models))
    counted, on_disk = texts_to_count(planned.plan.texts), journal is not False
    # The journal of a cluster's run is a folder, which its workers read.
    looked_up = journal if reuse and cluster is None else False
    tried, answered = runs.measure_known(planned, looked_up, after)
    return estimate_plan(planned.plan, tried, counted, journal_on_disk=on_disk, answered=answered)


def _refuse_other(name: str, value: object) -> None:
    if not isinstance(value, Comparison):
        raise FieldError(
            {name: f"is {with_article(type(value).__name__)}, not a comparison."},
            "Give what compare, load or Comparison.from_outputs returned.",
        )


def load(path: str | os.PathLike[str]) -> Comparison:
    """The comparison that `save` wrote; records are plain JSON, whatever class the schema was.

    The folder of a run on a cluster, or its URL, is read as well: no workers and no keys are
    needed. FieldError for another file, or one that a newer llmwidgets wrote.
    """
    if isinstance(path, str | os.PathLike) and ("://" in str(path) or os.path.isdir(path)):
        from llmwidgets.comparison.cluster.replies.saved_run import load_run

        return load_run(Comparison, str(path))
    return serialization.load(Comparison, path)
