"""How much memory a run is likely to need, what is free, and that it is said before the run."""

from __future__ import annotations

import sys
from functools import partial

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.analysis.statistics.running_median import RunningMedian
from llmwidgets.comparison.files import read_texts
from llmwidgets.engine.estimate import estimate, memory
from llmwidgets.engine.estimate.memory import Memory, free_memory, memory_words, needed_memory
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.schemas import read_schema
from tests.servers import Handler, listening

FIELDS = [{"name": "total", "type": "number"}]
ONE, THREE = (read_schema([{"name": f"field_{at}"} for at in range(most)]) for most in (1, 3))
LOCAL = lw.Connection("custom", name="llama", endpoint="http://localhost:11434/v1")


def needed(texts=10, models=1, length=100, repeats=1, schema=ONE, **more) -> int:
    columns = tuple(ResolvedVariant(f"m{at}", LOCAL, "llama") for at in range(models))
    documents = tuple(Document(str(at), "a" * length, schema, None) for at in range(texts))
    return needed_memory(Plan(columns, documents, repeats), **more)


@given(st.integers(1, 30), st.integers(1, 4), st.integers(1, 300), st.integers(1, 3))
def test_more_of_anything_needs_more_memory(texts, models, length, repeats):
    size = {"texts": texts, "models": models, "length": length, "repeats": repeats}
    least = needed(**size)
    for name in size:
        assert needed(**size | {name: size[name] + 1}) > least, name
    assert needed(**size, schema=THREE) > least
    assert needed(**size, journal_on_disk=False) > least


def test_nothing_to_ask_needs_nothing():
    assert needed(texts=0) == needed(models=0) == 0


# -- What is free.


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Writes the files by which a system says what is free."""
    monkeypatch.setattr(memory, "_ROOT", tmp_path)

    def write(files):
        for name, words in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(words)

    write({"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n"})
    return write


def test_the_machine_says_what_is_free(system):
    assert free_memory() == 4000 * 1024


V2 = "sys/fs/cgroup/"
V1 = "sys/fs/cgroup/memory/"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"proc/self/cgroup": "0::/\n", f"{V2}memory.max": "max\n"}, 4000 * 1024),
        ({"proc/self/cgroup": "0::/\n", f"{V2}memory.max": "9000", f"{V2}memory.current": "5000",
          f"{V2}memory.stat": "anon 4000\ninactive_file 700\n"}, 4700),
        # A session within a limit above it, and one whose own is the smaller.
        ({"proc/self/cgroup": "0::/a/b\n", f"{V2}a/b/memory.max": "max",
          f"{V2}a/memory.max": "9000", f"{V2}a/memory.current": "5000",
          f"{V2}a/memory.stat": "inactive_file 0\n"}, 4000),
        ({"proc/self/cgroup": "12:cpu:/x\n4:memory:/docker/1\n",
          f"{V1}memory.limit_in_bytes": "800", f"{V1}memory.usage_in_bytes": "900",
          f"{V1}memory.stat": "total_inactive_file 0\n"}, 0),
        ({"proc/self/cgroup": "4:memory:/\n", f"{V1}memory.limit_in_bytes": str(2**63 - 4096),
          f"{V1}memory.usage_in_bytes": "900", f"{V1}memory.stat": ""}, 4000 * 1024),
        ({"proc/self/cgroup": "nonsense\n::\n"}, 4000 * 1024),
    ],
)  # fmt: skip
def test_a_container_leaves_less(system, files, free):
    system(files)
    assert free_memory() == free


def test_without_the_files_of_linux_psutil_is_asked_and_without_it_nobody_knows(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert free_memory() is None
    assert memory_words(Memory(10**15, free_memory())) == ""
    monkeypatch.delitem(sys.modules, "psutil")
    psutil = pytest.importorskip("psutil")
    assert 0 < free_memory() <= psutil.virtual_memory().total


# -- What is said.


def test_too_little_is_said_with_the_figures_and_what_to_do():
    words = memory_words(Memory(6_200_000_000, 4_000_000_000))
    for part in ("About 6.2 GB", "4.0 GB are free", "Parquet", "cluster=Client()", "in parts"):
        assert part in words
    assert memory_words(Memory(4_000_000_000, 6_200_000_000)) == ""


def test_the_estimate_says_it(system):
    column = ResolvedVariant("m", LOCAL, "llama")
    found = estimate(Plan((column,), (Document("0", "a", ONE, None),), 1_000_000))
    assert found.memory.short
    assert memory_words(found.memory) in repr(found)
    assert "4.1 MB are free" in found._repr_html_()
    system({"proc/meminfo": "MemAvailable: 400000000 kB\n"})
    found = estimate(Plan((column,), (Document("0", "a", ONE, None),), 1_000_000))
    assert "free" not in repr(found)


class _Refusing(Handler):
    before: str | None = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if _Refusing.before is None:
            _Refusing.before = self.server.said()  # type: ignore[attr-defined]
        self.reply(401, {"error": {"message": "no"}})


def test_a_comparison_says_it_before_the_first_call_and_is_not_refused(system, capsys):
    # Whatever is loaded already, which a run then need not load.
    system({"proc/meminfo": "MemAvailable: 100 kB\n"})
    with listening(_Refusing) as server:
        server.said = lambda: capsys.readouterr().err
        end = f"http://127.0.0.1:{server.server_port}/v1"
        connection = lw.Connection("custom", name="m", endpoint=end, api_key="made-up-key-0001")
        texts = [f"Total {number}" for number in range(600)]
        result = lw.compare(FIELDS, texts, connection, journal=False, progress=False)
        assert _Refusing.before.startswith("llmwidgets: About ")
        assert "102.4 kB are free. Give the texts as a Parquet file" in _Refusing.before
        assert {each.status for each in result} == {"Unauthorized"}
        lw.compare(FIELDS, texts[:3], connection, journal=False, progress=False)
        assert "llmwidgets: " not in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "xlsx"])
def test_reading_a_table_that_needs_too_much_is_told_before(system, capsys, tmp_path, suffix):
    system({"proc/meminfo": "MemAvailable: 2 kB\n"})
    path = tmp_path / f"texts.{suffix}"
    frame = pd.DataFrame({"text": [f"Total {number} " * 9 for number in range(50)]})
    write = {
        "csv": frame.to_csv, "parquet": frame.to_parquet,
        "jsonl": partial(frame.to_json, orient="records", lines=True),
        "xlsx": partial(frame.to_excel, index=False),
    }  # fmt: skip
    write[suffix](path)
    assert len(read_texts(path)) == 50
    said = capsys.readouterr().err
    assert said.startswith(f"llmwidgets: Reading {path} needs about " if suffix != "xlsx" else "")
    assert ("2.0 kB are free" in said) == (suffix != "xlsx")


# -- What is counted while a run goes on.


@given(st.lists(st.floats(0.001, 999), min_size=1, max_size=60))
def test_a_running_median_is_the_median_to_three_digits(figures):
    running = RunningMedian()
    assert running.median is None
    for each in figures:
        running.add(each)
    assert running.median == pytest.approx(sorted(figures)[len(figures) // 2], rel=0.006)


def test_a_running_median_keeps_no_more_of_more_figures():
    running = RunningMedian()
    for number in range(20_000):
        running.add(1 + number / 20_000)
    assert len(running._counts) <= 101
