"""What a value names: a file, files of a cluster, a URL, or nothing but a text."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import Any

from llmwidgets.errors import FieldError

PDF = ".pdf"
TEXTS = (".txt", ".md")
"""What a folder has texts in, besides PDFs; a file that is named may end in anything."""

TABLES = (
    ".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".json", ".xlsx", ".xlsm", ".parquet",
)  # fmt: skip
"""The suffixes of tables; those of text may have .gz behind them."""


def kind_of(name: str) -> str:
    """The suffix in small letters, without .gz."""
    name = name.casefold()
    return PurePath(name.removesuffix(".gz")).suffix or PurePath(name).suffix


_JSON_LIST = re.compile(rb"\[\s*[\[{\"\]]")
_SIGNS = ((b"PAR1", ".parquet"), (b"PK\x03\x04", ".xlsx"), (b"%PDF", PDF))


def kind_of_stream(data: bytes) -> str:
    """The suffix that what a pipe brought would have as a file: told by how it begins.

    A table without braces needs a column called text, and a row; everything else is a text.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    for sign, kind in _SIGNS:
        if data.startswith(sign):
            return kind
    if _JSON_LIST.match(data):
        return ".json"
    first, _, rest = data.partition(b"\n")
    if first.startswith(b"{"):
        return ".jsonl" if rest.strip() and first.rstrip().endswith(b"}") else ".json"
    for mark, kind in ((b"\t", ".tsv"), (b",", ".csv"), (b";", ".csv")):
        if rest.strip() and b"text" in (
            each.strip(b' \r"').lower() for each in first[:4096].split(mark)
        ):
            return kind
    return ".txt"


_URL = re.compile(r"(?:s3|gs|gcs|abfss?|hdfs|file)://\S{1,1000}")
_GLOB = re.compile(r"[^\n]{0,1000}[*?\[][^\n]{0,1000}")


def names_data_set(value: Any) -> bool:
    """Whether this names Parquet files that a cluster reads: a glob, or the URL of any.

    So is a list of nothing else.
    """
    if isinstance(value, list | tuple):
        return bool(value) and all(
            isinstance(each, str | os.PathLike) and names_data_set(each) for each in value
        )
    if not isinstance(value, str | os.PathLike):
        return False
    name = os.fspath(value)
    if not isinstance(name, str) or _URL.fullmatch(name.strip()):
        return isinstance(name, str)
    is_glob = kind_of(name.strip()) == ".parquet" and _GLOB.fullmatch(name) is not None
    return is_glob and not os.path.exists(os.path.expanduser(name))


def _refuse_data_set(value: Any, argument: str) -> None:
    if argument not in ("texts", "truth") or not names_data_set(value):
        return
    name = os.fspath(value[0] if isinstance(value, list | tuple) else value).strip()
    refuse_other_table(name, argument)
    read = f"pd.read_parquet({name!r})"
    if not _URL.fullmatch(name):
        read = f"pd.concat(map(pd.read_parquet, sorted(glob.glob({name!r}))))"
    raise FieldError(
        {argument: f"{name} names files that are read where a cluster asks."},
        f"Give cluster=, a dask.distributed.Client (docs/scale.md), or a DataFrame: {read}.",
    )


def refuse_other_table(url: str, argument: str) -> None:
    """FieldError for the URL of a table or of texts that are not Parquet."""
    kind = kind_of(url)
    if kind in (*TABLES, *TEXTS, PDF) and kind != ".parquet":
        raise FieldError(
            {argument: f"{url} is not Parquet, and nothing else is read from a URL."},
            "Write it as Parquet, frame.to_parquet(…), or give it as a DataFrame.",
        )


def is_glob(name: str) -> bool:
    return _GLOB.fullmatch(name) is not None


FOR_GLOB = (
    "A glob names Parquet files alone. Give a list of Paths: "
    "[Path(each) for each in sorted(glob.glob({name!r}))]."
)


_WEB = re.compile(r"(?:https?|ftp|hf|dbfs|azure-blob):/{1,2}\S{1,2000}", re.IGNORECASE)


def refuse_url(value: Any, argument: str) -> None:
    """FieldError for a URL: a path written as one, or a text that is nothing else."""
    name = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    if not isinstance(name, str) or not _WEB.fullmatch(name.strip()):
        return
    if argument in ("texts", "truth") or isinstance(value, os.PathLike):
        raise FieldError(
            {argument: "is a URL, and nothing is fetched from one."},
            "Save what it names and give the Path of the file, or read it yourself and give the "
            "DataFrame: pd.read_csv(url).",
        )


def _is_short(name: str) -> bool:
    bare = name.strip()
    return bool(bare) and len(name) <= 1000 and "\n" not in bare


def has_table_name(name: str) -> bool:
    """Whether a string is spelled like the name of a table or of a PDF."""
    return _is_short(name) and kind_of(name.strip()) in (*TABLES, PDF)


def names_file(value: Any, argument: str) -> bool:
    """Whether what a user gave is a path, or as a string the name of a table or of a PDF.

    FieldError for such a name without a file, for a string that is the name of a folder or
    of another file: it may be meant as either; and for what only a cluster reads.
    """
    _refuse_data_set(value, argument)
    refuse_url(value, argument)
    if not isinstance(value, str):
        return isinstance(value, os.PathLike)
    bare = value.strip()
    if not _is_short(value):
        return False
    there = os.path.exists(os.path.expanduser(value))
    instead = {"texts": "the text in a list", "text": 'a row, {"text": "…"}'}.get(
        argument, "a list as long as the texts"
    )
    is_name = has_table_name(value)
    if is_name and not there:
        named = value if value == bare else repr(value)
        raise FieldError(
            {argument: f"is a str, and there is no file {named}."},
            FOR_GLOB.format(name=bare)
            if is_glob(bare) and argument == "texts"
            else f"Check the path, or give {instead}.",
        )
    if there and not is_name:
        raise FieldError(
            {argument: f"is a str, and {value} is the name of a file or folder as well."},
            f"Give a Path(…) to read what it names, or {instead}.",
        )
    return is_name


def names_one(entry: str) -> bool:
    """Whether a text in a list is the name of a file that is there, or a glob of such names."""
    if kind_of(entry) not in (*TABLES, *TEXTS) or "\n" in entry:
        return False
    if is_glob(entry) and not any(map(str.isspace, entry)):
        return True
    return os.path.isfile(os.path.expanduser(entry))
