"""A run's folder as a comparison: what its driver notes beside the parts, and what reads it.

All of it is JSON: whoever loads a folder may not have written it, and a pickle runs code.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.parts import part_name
from llmwidgets.comparison.cluster.replies.stored_replies import (
    MOST_ROWS,
    StoredReplies,
    index_replies,
)
from llmwidgets.comparison.cluster.spec import Chunk
from llmwidgets.comparison.cluster.texts.text_files import (
    StoredDocument,
    TextFile,
    TextFiles,
    files_of,
    refuse_changed,
)
from llmwidgets.comparison.core import CellKey, ResultData, Results
from llmwidgets.comparison.serialization import (
    Place,
    SavedText,
    describe_comparison,
    describe_truth,
    more_of,
    read_inputs,
    read_saved,
)
from llmwidgets.engine.extraction import AnsweredVariant, Extraction, read_extraction
from llmwidgets.engine.journal import Row, is_sound
from llmwidgets.engine.request_builder import Document, ResolvedVariant
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count
from llmwidgets.providers import PROVIDERS
from llmwidgets.schemas import Schema, choose_schema

RUN = "comparison.json"
ENDED = "ended.json"
"""How the chunks of the newest run ended; without it, what there are parts of was asked."""

_MOST_ROWS_IN_ALL = 100_000_000
"""Of each there is a number in memory, also where a folder has no part with it."""
_VARIANT = re.compile(r"[^/\\\0]{1,200}")
_DOCUMENTS = re.compile(r"documents/part-[0-9]{5,10}-[0-9a-f]{16}")
"""The names that a driver gives: whoever loads a folder reads nothing outside of it."""

_OF_A_FAILURE = ("status", "at", "message", "hint", "label", "model", "code")
"""What the row of questions that were not asked has."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How chunks ended, by variant and chunk; see `index_replies`.

    `unenforced` has, for each variant, the digests of schemas that turned out not to be enforced.
    """

    reused: Mapping[tuple[int, int], bytes]
    rest: Mapping[tuple[int, int], Row]
    unenforced: Sequence[frozenset[str]] = ()
    notes: tuple[str, ...] = ()

    def of_chunk(self, number: int) -> RunEnd:
        """How one chunk ended, as if it were the only one."""
        variants = {variant for variant, chunk in (*self.reused, *self.rest) if chunk == number}
        here = [(variant, (variant, number)) for variant in sorted(variants)]
        reused = {(variant, 0): self.reused[at] for variant, at in here if at in self.reused}
        rest = {(variant, 0): self.rest[at] for variant, at in here if at in self.rest}
        return RunEnd(reused, rest, self.unenforced)


# -- Written by the driver.


def note_run(
    folder: RunFolder, results: ResultData, names: Sequence[str], chunks: Sequence[Chunk]
) -> None:  # fmt: skip
    """Note what is asked, before it is: what a comparison needs besides the replies."""
    files = files_of(results.texts)
    for chunk in chunks:
        texts = [_text(each) for each in results.texts[chunk.start : chunk.stop]]
        folder.write(_texts_name(chunk.documents), _dump(texts))
    saved = {
        **describe_comparison(results),
        "names": list(names),
        # That of a connection can be its address's: its kind alone does not tell.
        "dialects": [each.dialect.NAME for each in results.columns],
        "chunks": [[each.size, each.documents] for each in chunks],
        "files": None if files is None else [each._asdict() for each in files.files],
    }
    folder.write(RUN, _dump(saved))
    folder.remove(ENDED)


def note_end(folder: RunFolder, names: Sequence[str], end: RunEnd) -> None:
    """Note how the chunks ended, so that the comparison is the same when it is loaded.

    `names` are those of the variants: another run of the folder has others, and may end later.
    """
    rows = list({id(row): row for row in end.rest.values()}.values())
    numbers = {id(row): at for at, row in enumerate(rows)}
    saved = {
        "names": list(names),
        "reused": [
            [*at, base64.b64encode(flags).decode() if any(flags) else ""]
            for at, flags in end.reused.items()
        ],
        "rows": [{name: getattr(row, name) for name in _OF_A_FAILURE} for row in rows],
        "rest": [[*at, numbers[id(row)]] for at, row in end.rest.items()],
        "unenforced": [sorted(each) for each in end.unenforced],
        "notes": list(end.notes),
    }  # fmt: skip
    folder.write(ENDED, _dump(saved))


def _dump(value: Any) -> bytes:
    # Half a character, which a truth can have, stays written out.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _texts_name(documents: str) -> str:
    return f"{documents}.json"


def _text(text: Document) -> dict[str, Any]:
    at = {"at": text.at} if isinstance(text, StoredDocument) else {}
    return {**describe_truth(text), **at}


# -- Results: of a run that ended here, or of a folder.


def stored_results(
    kind: type[Results], folder: RunFolder, names: Sequence[str], sizes: Sequence[int],
    end: RunEnd, answered: Sequence[ResolvedVariant | AnsweredVariant], first: int = 0,
    **inputs: Any,
) -> Results:  # fmt: skip
    """Results whose replies are read from the parts of a folder when they are looked at.

    `sizes` are the texts of each chunk from `first` on; `answered` are the variants as replies
    are read; `inputs` are what results have besides, with texts and `repeats`.
    """
    texts, repeats = inputs["texts"], inputs.pop("repeats")

    def unenforced(variant: int, place: int) -> bool:
        if variant >= len(end.unenforced) or not end.unenforced[variant]:
            return False
        schema = choose_schema(answered[variant].schema, texts[place // repeats].schema)
        return schema.digest in end.unenforced[variant]

    replies = StoredReplies(folder, names, [each * repeats for each in sizes], unenforced, first)
    rows = index_replies(replies, len(texts), repeats, end.reused, end.rest)

    def read(row: Row, cell: CellKey) -> Extraction:
        variant, text = answered[cell.variant], texts[cell.text]
        return read_extraction(variant, text, cell.repeat, row, reused=rows.reused(cell))

    return kind(
        rows=rows, journal=replies, read=read, models=tuple(each.model for each in answered),
        notes=(*inputs.pop("notes"), *end.notes), **inputs,
    )  # fmt: skip


def load_run(kind: type[Results], place: str) -> Results:
    """The comparison of a run's folder; records are plain JSON, as in one that was saved.

    FieldError for a folder of nothing like it. Words are read from their files, where these are
    what they were; texts that were given by value have none.
    """
    folder = RunFolder(place)
    data = folder.read(RUN)
    if data is None:
        raise FieldError(
            f"{place} is not the folder of a run on a cluster: there is no {RUN} in it.",
            "Give the folder that was the run's journal=, or a file that comparison.save(path) "
            "wrote.",
        )
    return read_saved(place, data, lambda saved, where: _read_run(kind, folder, saved, where))


def _read_run(
    kind: type[Results], folder: RunFolder, saved: dict[str, Any], where: Place
) -> Results:
    where.name = "files"
    files, notes = _read_files(saved["files"])
    where.name, chunks = "chunks", [(int(size), str(name)) for size, name in saved["chunks"]]
    _refuse_others(_DOCUMENTS, (name for _, name in chunks))
    texts = list(
        chain.from_iterable(json.loads(folder.read(_texts_name(name)) or b"") for _, name in chunks)
    )
    sizes = [size for size, _ in chunks]
    if min(sizes, default=0) < 1 or sum(sizes) != len(texts):
        where.problem = f"are not those of {count(len(texts), 'text')}"
        raise ValueError(len(texts))

    def make(text: SavedText, schema: Schema) -> Document:
        if files is None or text.at is None:
            return Document(text.id, "", schema, text.truth, **more_of(text))
        if not 0 <= text.at < len(files):
            raise IndexError(text.at)
        return StoredDocument(text.id, schema, text.truth, files=files, at=text.at, **more_of(text))

    known = {each.dialect.NAME: each.dialect for each in PROVIDERS.values()}
    whole = {**saved, "texts": [{**each, "text": ""} for each in texts], "rows": ()}
    inputs = read_inputs(whole, where, make)
    names = [str(each) for each in where.entries("names", saved["names"])]
    _refuse_others(_VARIANT, names)
    dialects = [known[each] for each in where.entries("dialects", saved["dialects"])]
    answered = [
        AnsweredVariant(variant.label or "", model, variant.schema, dialect)
        for variant, model, dialect in zip(inputs.variants, inputs.models, dialects, strict=True)
    ]
    repeats = inputs.saved.repeats
    most = min(MOST_ROWS // max(sizes), _MOST_ROWS_IN_ALL // max(1, len(texts) * len(names)))
    if len(names) != len(inputs.variants) or not 0 < repeats <= most:
        where.name, where.problem = "names and repeats", "do not fit the variants and the chunks"
        raise ValueError(repeats)
    where.name = "how it ended"
    end = _read_end(folder, names, len(chunks))
    return stored_results(
        kind, folder, names, sizes, replace(end, notes=end.notes + notes), answered,
        variants=inputs.variants, texts=inputs.texts, repeats=repeats, **inputs.more,
    )  # fmt: skip


def _refuse_others(pattern: re.Pattern[str], names: Iterable[str]) -> None:
    for name in names:
        if not pattern.fullmatch(name):
            raise ValueError(name)


def _read_files(saved: Any) -> tuple[TextFiles | None, tuple[str, ...]]:
    """The files of the texts, and a sentence where one on this machine is not what it was."""
    if saved is None:
        return None, (
            "The texts were given by value, and a run's folder has no words: they are not shown.",
        )
    files = [TextFile(**{**each, "groups": tuple(map(int, each["groups"]))}) for each in saved]
    for each in files:
        if not isinstance(each.place, str) or not isinstance(each.column, str):
            raise TypeError(each.place)
        # Nothing is asked of a machine that a folder names before somebody looks.
        if "://" in each.place or each.place.startswith(("//", "\\\\")):
            continue
        try:
            refuse_changed(each)
        except FieldError:
            return None, (f"{each.place} was changed since the run: the texts are not shown.",)
        except OSError:
            return None, (f"{each.place} is not there any more: the texts are not shown.",)
    return TextFiles(tuple(files)), ()


def _read_end(folder: RunFolder, names: Sequence[str], chunks: int) -> RunEnd:
    """How the chunks ended; of a driver that died, whatever parts there are."""
    data, there = folder.read(ENDED), dict(_parts_there(folder, names, chunks))
    saved = json.loads(data or b"null")
    if saved is None or saved["names"] != list(names):
        return RunEnd(there, {})
    reused = {
        (int(variant), int(chunk)): base64.b64decode(flags)
        for variant, chunk, flags in saved["reused"]
    }
    rows = [Row(key="", **{name: each[name] for name in _OF_A_FAILURE}) for each in saved["rows"]]
    if not all(map(is_sound, rows)):
        raise ValueError(len(rows))
    # A worker that was left behind, or another run, can have written the part since.
    rest = {(int(variant), int(chunk)): rows[at] for variant, chunk, at in saved["rest"]
            if (variant, chunk) not in there}  # fmt: skip
    reused = {**there, **reused}
    unenforced = [frozenset(map(str, each)) for each in saved["unenforced"]]
    return RunEnd(reused, rest, unenforced, tuple(map(str, saved["notes"])))


def _parts_there(
    folder: RunFolder, names: Sequence[str], chunks: int
) -> Iterable[tuple[tuple[int, int], bytes]]:
    for variant, name in enumerate(names):
        there = set(folder.names(part_name(name, 0).rpartition("/")[0]))
        for chunk in range(chunks):
            if part_name(name, chunk) in there:
                yield (variant, chunk), b""
