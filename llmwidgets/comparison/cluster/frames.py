"""A Dask DataFrame of texts, which the workers write into the run's folder."""

from __future__ import annotations

import io
import secrets
from typing import Any

from llmwidgets.comparison.cluster.dask_scheduler import check_scheduler
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.errors import FieldError, LLMWidgetsError

_HERE = (
    "Correct that, or write it yourself, texts.to_parquet(PATH), and give the name of the folder."
)


def write_frame(frame: Any, cluster: Any, place: str) -> str:
    """Have the workers write a Dask DataFrame; the folder or URL that has its files.

    They are for their owner alone, as all of the run's folder. FieldError, without a word of a
    text, for what cannot be written, and a cluster that others can listen to.
    """
    # Its rows can be in what is sent.
    check_scheduler(cluster)
    folder = RunFolder(place)
    # Written anew by each run: the same name does not mean the same rows.
    name = f"texts/{secrets.token_hex(4)}"
    _write_parts(frame, cluster, folder, name)
    address, mark, query = folder.place.partition("?") if "://" in place else (folder.place, "", "")
    return f"{address.rstrip('/')}/{name}{mark}{query}"


def _write_parts(frame: Any, cluster: Any, folder: RunFolder, name: str) -> None:
    from dask.delayed import delayed

    parts, index = frame.to_delayed(), frame.index.name is not None
    names = [f"{name}/part.{at:05}.parquet" for at in range(len(parts))]
    write = delayed(write_part, pure=False)
    tasks = [
        write(part, folder.place, each, index) for part, each in zip(parts, names, strict=True)
    ]
    try:
        said = cluster.gather(cluster.compute(tasks))
    except Exception as error:  # noqa: BLE001 - its words may contain a text
        why = type(error).__name__
        raise FieldError(
            {"texts": f"the workers could not make the Dask DataFrame: {why}."},
            "texts.compute() shows where that comes from.",
        ) from None
    for wrong in filter(None, said):
        raise FieldError(
            {"texts": f"the workers could not write the Dask DataFrame: {wrong}"}, _HERE
        )
    if folder.names(name) != names:
        raise FieldError(
            {"journal": f"what workers wrote into {folder.place} is not there on this machine."},
            "Give journal= a folder that every worker reaches by the same name, or a URL.",
        )


def write_part(part: Any, place: str, name: str, index: bool) -> str:
    """Write a part of a DataFrame into the run's folder; why that is not possible, else empty.

    Whatever a task raises is in the worker's log, with its arguments.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pandas(part, preserve_index=index), buffer)
        RunFolder(place).write(name, buffer.getvalue(), lasting=True)
    except LLMWidgetsError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - its words may contain a text
        return f"{type(error).__name__}."
    return ""
