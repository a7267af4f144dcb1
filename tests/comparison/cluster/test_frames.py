"""A Dask DataFrame of texts is written by the workers: for its owner alone, and nothing is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets.comparison.cluster import dask_scheduler
from llmwidgets.comparison.cluster.frames import write_frame, write_part
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents
from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    from distributed import Client

SCHEMA = [{"name": "customer"}]
WORDS = "Quillfeather Marmalade Consortium"

dask = pytest.importorskip("dask.dataframe")


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def frame_of(rows: list[dict[str, Any]], npartitions: int = 2) -> Any:
    return dask.from_pandas(pd.DataFrame(rows), npartitions=npartitions)


@pytest.mark.skipif(os.name == "nt", reason="no modes")
@pytest.mark.usefixtures("no_umask")
def test_a_part_is_for_its_owner_alone(tmp_path: Path) -> None:
    part = pd.DataFrame({"text": [WORDS]})

    assert write_part(part, str(tmp_path / "run"), "texts/a/part.00000.parquet", False) == ""

    modes = {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "run").rglob("*.parquet")}
    folders = {tmp_path / "run", *(each for each in (tmp_path / "run").rglob("*") if each.is_dir())}
    assert modes == {0o600}
    assert {stat.S_IMODE(each.stat().st_mode) for each in folders} == {0o700}


def test_what_cannot_be_written_is_said_without_a_text(tmp_path: Path) -> None:
    part = pd.DataFrame({"text": [WORDS], "more": [1]}).astype(object)
    part.loc[1] = [WORDS, WORDS]
    (tmp_path / "file").write_text("")

    said = write_part(part, str(tmp_path / "run"), "texts/a/part.00000.parquet", False)
    taken = write_part(part[:1], str(tmp_path / "file"), "texts/a/part.00000.parquet", False)

    assert said.startswith("Arrow")
    assert "journal" in taken
    assert WORDS not in said + taken


def test_nothing_is_written_by_a_cluster_that_others_can_listen_to(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_scheduler, "find_exposed", lambda _: "tcp://10.0.0.5:8786")

    with pytest.raises(FieldError, match="without TLS"):
        lw.compare(SCHEMA, frame_of([{"text": WORDS}]), "demo", cluster=client,
                   journal=tmp_path / "run", progress=False)  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_what_a_frame_raises_is_told_by_its_class(client: Client, tmp_path: Path) -> None:
    def fail(part: pd.DataFrame) -> pd.DataFrame:
        raise ValueError(part["text"].iloc[0])

    frame = frame_of([{"text": WORDS}]).map_partitions(fail, meta={"text": object})

    with pytest.raises(FieldError, match="could not make the Dask DataFrame: ValueError") as said:
        write_frame(frame, client, str(tmp_path / "run"))
    assert WORDS not in f"{said.value}{said.value.hint}{said.value.__cause__}"
    assert said.value.__suppress_context__


def test_rows_are_those_of_the_frame_in_its_order(client: Client, tmp_path: Path) -> None:
    rows = [{"text": f"{WORDS} {at}", "id": f"i{at}"} for at in range(24)]
    frame = frame_of(rows, 12).set_index("id", sort=False)

    place = write_frame(frame, client, str(tmp_path / "run"))

    assert len(RunFolder(tmp_path / "run").names("texts")) == 12
    texts = read_stored_documents(SCHEMA, place)
    assert [(each.id, each.text) for each in texts] == [(row["id"], row["text"]) for row in rows]


def test_parts_that_are_not_here_are_missed(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose folder of this name is another one."""
    monkeypatch.setattr(RunFolder, "names", lambda *_: [])

    with pytest.raises(FieldError, match="is not there on this machine"):
        write_frame(frame_of([{"text": WORDS}]), client, str(tmp_path / "run"))
