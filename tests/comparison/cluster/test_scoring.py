"""Sums that workers make, chunk by chunk, are those of one process on the same answers."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from pydantic import BaseModel

import llmwidgets as lw
from benchmarks.docubench import compared
from benchmarks.docubench import docubench as docubench_rules
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.cluster import scoring
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.parts import pack_part, part_name
from llmwidgets.comparison.cluster.replies.saved_run import RunEnd, stored_results
from llmwidgets.comparison.cluster.scoring import (
    ScoringRun,
    score_chunk,
)
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    RunSpec,
    SchemaNumbers,
    VariantSpec,
    describe_policy,
    describe_text,
    digest_of,
    pack,
    spec_name,
)
from llmwidgets.comparison.cluster.texts.text_files import StoredDocument, TextFile, TextFiles
from llmwidgets.comparison.core import CellKey, results_of_rows
from llmwidgets.comparison.measures.aggregate import Aggregates, adopt_aggregates, aggregate
from llmwidgets.comparison.measures.variant_stats import _JOINED, VariantStats
from llmwidgets.connections import Policy
from llmwidgets.demo import invoices
from llmwidgets.dialects import openai
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine.extraction import AnsweredVariant
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Plan
from llmwidgets.errors import FAILURES

if TYPE_CHECKING:
    from distributed import Client

MARKER = "made-up-word-0001"


class InThisProcess:
    """A cluster whose tasks are done when they are submitted, and end in a random order."""

    workers = {"here": 2}
    most_slots = 0

    def __init__(self, seed: int = 0, fail: Sequence[int] = (), interrupt: bool = False) -> None:
        self._random, self._fail, self._interrupt = random.Random(seed), list(fail), interrupt
        self._done: list[tuple[int, Any]] = []
        self.passed: list[bytes] = []
        self.submitted = 0

    def submit(self, _name: Any, work: Any, *args: Any, avoid: Any = ()) -> int:
        self.submitted += 1
        self.avoided = set(avoid)
        # As a scheduler has it: everything as bytes, on the way there and back.
        sent = pickle.dumps(args)
        found = pickle.dumps(work(*pickle.loads(sent)))
        self.passed += [sent, found]
        result: Any = pickle.loads(found)
        if self.submitted in self._fail:
            result = RuntimeError("the worker is gone")
        self._done.append((self.submitted, result))
        return self.submitted

    def ended(self, _seconds: float) -> Iterator[tuple[int, Any]]:
        if self._interrupt:
            raise KeyboardInterrupt
        yield self._done.pop(self._random.randrange(len(self._done)))

    def listen(self, _report: Any) -> None:
        """Nothing is told on the way."""


class Parts:
    """The rows of a comparison, written as a run on a cluster leaves them."""

    def __init__(self, made: Comparison, folder: Path, chunks: int) -> None:
        self.made, self.folder, schemas = made, RunFolder(str(folder)), SchemaNumbers()
        texts, repeats = made.texts, made.repeats
        size = -(-len(texts) // chunks)
        self.chunks = []
        for number, start in enumerate(range(0, len(texts), size)):
            own = texts[start : start + size]
            data = pack([(start + at, describe_text(each, schemas)) for at, each in enumerate(own)])
            chunk = Chunk(number, start, start + len(own), digest_of(data))
            self.folder.write(chunk.documents, data)
            self.chunks.append(chunk)
        self.names = tuple(f"variant-{at:08}" for at in range(len(made.variants)))
        written = {(variant, each.number): self._write(variant, each)
                   for variant in range(len(made.variants)) for each in self.chunks}  # fmt: skip
        self.end = RunEnd({at: each for at, each in written.items() if each}, {})
        own = [each.schema for each in made.variants]
        numbers = [None if each is None else schemas.number(each) for each in own]
        named = list(zip(made.labels, made.models, strict=True))
        connection: Any = None
        variants = tuple(
            VariantSpec(name, label, connection, model, {}, (), at, openai)
            for name, (label, model), at in zip(self.names, named, numbers, strict=True)
        )
        spec = pack(
            RunSpec(variants, schemas.specs, repeats, made.scoring, describe_policy(Policy()))
        )
        self.digest = digest_of(spec)
        self.folder.write(spec_name(self.digest), spec)
        self._answered = [AnsweredVariant(*each, schema, openai)
                          for each, schema in zip(named, own, strict=True)]  # fmt: skip

    def _write(self, variant: int, chunk: Chunk) -> bytes:
        made, repeats = self.made, range(self.made.repeats)
        cells = [CellKey(variant, text, each)
                 for text in range(chunk.start, chunk.stop) for each in repeats]  # fmt: skip
        if not all(map(made.rows.id, cells)):
            return b""
        ids = [made.texts[at].id for at in range(chunk.start, chunk.stop)]
        data = pack_part([made.row(each) for each in cells], ids, made.repeats)
        self.folder.write(part_name(self.names[variant], chunk.number), data)
        return bytes(made.rows.reused(each) for each in cells)

    def results(self, texts: Any = None) -> Comparison:
        """The results as the driver has them, not scored yet."""
        return stored_results(
            Comparison, self.folder, self.names, [each.stop - each.start for each in self.chunks],
            self.end, self._answered, texts=texts or self.made.texts, repeats=self.made.repeats,
            notes=(), variants=self.made.variants, scoring=self.made.scoring,
        )  # fmt: skip

    def sums(self, cluster: InThisProcess) -> Aggregates | None:
        plan: Any = Plan((None,) * len(self.names), self.made.texts)
        run = ScoringRun(cluster, self.folder, self.digest, self.chunks, plan)
        return run.run(self.end)

    def scored(self, cluster: InThisProcess | None = None) -> Comparison:
        """The results with the sums of the workers."""
        sums, found = self.sums(cluster or InThisProcess()), self.results()
        assert sums is not None
        adopt_aggregates(found, lambda: sums)
        return found


def assert_same(found: Comparison, one: Comparison) -> None:
    """Every figure of both, to the last bit."""
    a, b = aggregate(found), aggregate(one)
    for mine, other in zip(a.stats, b.stats, strict=True):
        for name in ("scores", "perfect", "notes", "counts"):
            assert list(getattr(mine, name).items()) == list(getattr(other, name).items())
        assert mine == other
    assert a.rows == b.rows
    board, wanted = found.scoreboard(), one.scoreboard()
    assert_frame_equal(board, wanted, check_exact=True)
    assert board.attrs == wanted.attrs
    assert found.verdict() == one.verdict()
    assert_frame_equal(found.by_field(), one.by_field(), check_exact=True)
    assert_frame_equal(found.differences(), one.differences(), check_exact=True)
    assert repr(found) == repr(one)


# -- made by a seed: any status, facts, repeats, groups, rules


class Item(BaseModel):
    sku: str | None = None
    total: float | None = None


class Bill(BaseModel):
    name: str | None = None
    total: float | None = None
    seller: dict[str, str] | None = None
    lines: list[Item] = []


def halves(value: Any, truth: Any) -> float:
    """A share with digits that are not kept where it is added up in another order."""
    if value == "Eve":
        message = f"about {value}"
        raise ValueError(message)
    return 0.1 if value != truth else 1.0


def record_share(value: Any, truth: Any) -> float:
    return 1 / 3 if value["name"] is None else 7.0 if value["name"] == "Eve" else 0.7


RULES: list[Any] = [
    None,
    {"name": halves},
    {"name": {"rule": halves, "weight": 3}, "lines[]": "key:sku"},
    {"": record_share},
    {"name": "weight:5", "lines[].total": "weight:0"},
    {"total": "number:1% weight:0.1", "lines[]": "match:0.5"},
]


def said(generator: random.Random) -> dict[str, Any]:
    return {
        "name": generator.choice(["Ada", "Bob", "Eve", "N/A", None]),
        "total": generator.choice([1, 2.5, 1 / 3, None]),
        "seller": generator.choice([None, None, {MARKER: "a"}, {"city": "Rome"}]),
        "lines": [{"sku": generator.choice("abc"), "total": generator.choice([1, None])}
                  for _ in range(generator.randrange(3))],
    }  # fmt: skip


def row_of(generator: random.Random) -> Row:
    status = generator.choice([*["ok"] * 20, *FAILURES])
    reply: Any = said(generator)
    if status == "InvalidRecord":
        reply["total"] = "much"
    answered = status == "ok" or getattr(FAILURES.get(status), "scored", False)
    usage = Usage(generator.choice([None, 3, 70]), generator.randrange(9), None)
    return Row(
        key="", status=status, at=1.7e9 + generator.random() * 1e6,
        reply=json.dumps(reply) if status in ("ok", "InvalidRecord") else None,
        usage=usage, seconds=generator.random(), waiting_seconds=generator.choice([None, 0.25]),
        cost=generator.choice([None, *[generator.random() / 7] * 30]), tries=answered + 0,
        timed_out=generator.randrange(2), mode=generator.choice(list(Enforcement)),
        form=ResponseFormat.JSON_SCHEMA, message="m", hint="h",
    )  # fmt: skip


def made(seed: int) -> Comparison:
    """Two or three variants on some texts, some of them in groups and some without a label."""
    generator = random.Random(seed)
    count, variants, repeats = generator.randrange(5, 14), generator.choice([1, 2, 3]), seed % 2 + 1
    labelled = generator.choice([0.0, 0.8, 1.0])
    outputs = {f"v{at}": [{}] * count for at in range(variants)}
    texts = [{"id": f"{MARKER}-{at}", "text": MARKER} for at in range(count)]
    truth = {each["id"]: said(generator) for each in texts if generator.random() < labelled}
    group = [f"g{at // 2}" for at in range(count)] if generator.random() < 0.4 else None
    base = Comparison.from_outputs(
        Bill, texts, outputs, truth or None, scoring=generator.choice(RULES), group=group
    )
    cells = variants * count * repeats
    return results_of_rows(
        Comparison, [row_of(generator) for _ in range(cells)], variants=base.variants,
        models=base.models, texts=base.texts, repeats=repeats, scoring=base.scoring, judged=True,
        reused=[generator.random() < 0.3 for _ in range(cells)],
    )  # fmt: skip


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=12, deadline=None)
def test_sums_of_chunks_are_those_of_one_process(
    tmp_path_factory: pytest.TempPathFactory, seed: int, chunks: int
) -> None:
    parts = Parts(made(seed), tmp_path_factory.mktemp("run"), chunks)
    cluster = InThisProcess(seed)
    found = parts.scored(cluster)
    assert_same(found, parts.results())
    assert MARKER.encode() not in b"".join(cluster.passed)
    assert b"Ada" not in b"".join(cluster.passed)


@given(st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_labels_after_scoring_on_workers_change_what_they_would_in_one_process(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    parts = Parts(made(seed), tmp_path_factory.mktemp("run"), 3)
    found, one = parts.scored(), parts.results()
    aggregate(one)
    for at, value in enumerate(["Bob", None]):
        text = parts.made.texts[(seed + at) % len(parts.made.texts)].id
        found, one = (each.correct(text, "name", value) for each in (found, one))
    assert_same(found, one)


def test_a_chunk_that_was_never_asked_is_stopped_text_by_text(tmp_path: Path) -> None:
    whole = made(4)
    parts = Parts(whole, tmp_path, 3)
    parts.end = replace(
        parts.end, reused={at: each for at, each in parts.end.reused.items() if at != (0, 1)}
    )
    found = parts.scored()
    assert_same(found, parts.results())
    assert found.scoreboard().Stopped[0] >= parts.chunks[1].stop - parts.chunks[1].start


# -- data that people have


def test_the_demo_s_invoices_are_scored_as_in_one_process(tmp_path: Path, demo: Any) -> None:
    one = lw.compare(
        invoices.Schema, invoices.texts, "demo", truth=invoices.truth, journal=False, progress=False
    )
    parts = Parts(one, tmp_path, 3)
    assert len(one.variants) == 4
    assert_same(parts.scored(), parts.results())
    assert_frame_equal(parts.scored().by_field(), one.by_field(), check_exact=True)


@pytest.mark.parametrize("rules", [None, docubench_rules], ids=["default rules", "own function"])
def test_outputs_of_real_models_are_scored_as_in_one_process(
    tmp_path: Path, shared_data: Path, rules: Any
) -> None:
    some = compared(shared_data / "docubench").rescore(rules)
    chosen = replace(some, texts=some.texts[:6], rows=some.rows.first(6))
    parts = Parts(chosen, tmp_path, 3)
    assert_same(parts.scored(), parts.results())


def test_a_run_on_a_cluster_comes_back_scored(client: Client, demo: Any) -> None:
    found = lw.compare(
        invoices.Schema, invoices.texts, "demo", truth=invoices.truth, cluster=client,
        repeats=2, progress=False,
    )  # fmt: skip
    assert aggregate in found._measured
    assert_same(found, replace(found, looks=set()))


# -- what does not go well


def test_a_worker_that_is_lost_is_tried_again(tmp_path: Path) -> None:
    parts = Parts(made(5), tmp_path, 4)
    cluster = InThisProcess(fail=[2])
    assert_same(parts.scored(cluster), parts.results())
    assert cluster.submitted == len(parts.chunks) + 1


def test_what_two_workers_did_not_score_is_scored_where_it_is_looked_at(tmp_path: Path) -> None:
    parts = Parts(made(5), tmp_path, 4)
    assert parts.sums(InThisProcess(fail=[1, 3, 4, 5, 6])) is None


def test_what_a_lost_part_would_say_is_what_one_process_finds(tmp_path: Path) -> None:
    parts = Parts(made(5), tmp_path, 4)
    parts.folder.remove(part_name(parts.names[0], 1))
    found, one = parts.scored().scoreboard(), parts.results().scoreboard()
    assert list(found.InternalError) == list(one.InternalError)
    assert list(found.accuracy) == list(one.accuracy)
    assert found.InternalError[0] >= parts.chunks[1].stop - parts.chunks[1].start


def test_workers_that_have_all_gone_are_not_waited_for(tmp_path: Path, monkeypatch: Any) -> None:
    class Gone(InThisProcess):
        def submit(self, *args: Any, **more: Any) -> int:
            self.workers = {}
            return super().submit(*args, **more)

        def ended(self, _seconds: float) -> Iterator[tuple[int, Any]]:
            return iter(())

    monkeypatch.setattr(scoring, "_NO_WORKERS_SECONDS", 0.1)
    assert Parts(made(3), tmp_path, 3).sums(Gone()) is None


def test_a_worker_that_was_not_ready_scores_nothing(tmp_path: Path) -> None:
    """Truth and replies are for those alone that were found ready."""
    parts, cluster = Parts(made(5), tmp_path, 2), InThisProcess()
    plan = SimpleNamespace(columns=parts.made.variants, texts=parts.made.texts)
    chunks, unready = parts.chunks, frozenset({"tcp://10.0.0.6:41001"})
    run = ScoringRun(cluster, parts.folder, parts.digest, chunks, plan, unready)  # type: ignore[arg-type]

    assert run.run(parts.end) is not None
    assert cluster.avoided == unready


def test_an_interrupt_leaves_the_results_to_be_scored_later(tmp_path: Path) -> None:
    parts = Parts(made(5), tmp_path, 4)
    assert parts.sums(InThisProcess(interrupt=True)) is None


def test_what_was_changed_since_the_driver_wrote_it_is_not_scored(tmp_path: Path) -> None:
    parts = Parts(made(5), tmp_path, 1)
    chunk = parts.chunks[0]
    digest = parts.digest
    assert parts.sums(InThisProcess()) is not None
    end = parts.end.of_chunk(0)
    assert score_chunk(parts.folder.place, digest, chunk, end) is not None
    parts.folder.write(chunk.documents, pack([]))
    assert score_chunk(parts.folder.place, digest, chunk, end) is None


# -- what has to stay so


def test_every_sum_of_a_variant_is_joined() -> None:
    assert set(_JOINED) == {each.name for each in fields(VariantStats)}
    total, more = VariantStats(), VariantStats()
    total.extend(more)
    assert total == VariantStats()


def test_no_words_are_read_for_the_figures(tmp_path: Path, monkeypatch: Any) -> None:
    """A text by reference is in its file: a look at a million of them would take hours."""
    whole = made(6)
    parts = Parts(whole, tmp_path / "run", 2)
    files = TextFiles((TextFile(str(tmp_path / "none.parquet"), (len(whole.texts),)),))
    stored = tuple(
        StoredDocument(each.id, each.schema, each.truth, group=each.group, files=files, at=at)
        for at, each in enumerate(whole.texts)
    )
    sums, found = parts.sums(InThisProcess()), parts.results(stored)
    assert sums is not None
    adopt_aggregates(found, lambda: sums)
    looked: list[str] = []
    monkeypatch.setattr(TextFiles, "words", lambda _, at: looked.append("read") or [""])
    read = replace(found, read=lambda *_: looked.append("scored"))
    adopt_aggregates(read, lambda: sums)
    for look in (read.scoreboard, read.verdict, read.by_field):
        look()
    assert looked == []
    # A view shows where values of the first texts are, and reads these alone.
    assert repr(found)
    assert len(looked) <= len(stored)
