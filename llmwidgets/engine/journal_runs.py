"""The runs of a journal: how each asked, which rows answered it, and how it was scored then.

A run is one row: facts as JSON, and what there is of every text as a few packed bytes. Of a text
there are two short hashes, of its id and of its words; of truth there is nothing but the shares of
fields that were right.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import chain
from operator import sub
from typing import Any, get_args, get_type_hints

Query = Callable[..., list[Any]]
"""Runs a statement with its values; what the file answers, nothing if it cannot."""

HASH_BYTES = 6
_UNSCORED, _UNANSWERED, _SCORED, _STEPS = 0, 1, 2, 32_000
_COLUMNS = "id, at, token, facts, cells, scored, scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVariant:
    """One column of a run; `instructions` and `examples` are hashes, empty if there are none."""

    label: str
    model: str
    kind: str
    instructions: str
    examples: str
    effort: str
    temperature: float | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a run besides its texts.

    `digest` is that of its schemas, `rules` that of its scoring. `calls` were made by it; `reused`
    replies were there already. `cost` is what is known to be paid, with `unpriced` not all of it.
    """

    schema: str
    digest: str
    rules: str
    texts: int
    labelled: int
    repeats: int
    calls: int
    reused: int
    cost: float
    unpriced: bool
    variants: tuple[RunVariant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """How a run was scored: `shares` has, by variant and text, the share right and whether lost.

    A share is None where the text was not scored, and below 0 where no answer came to it. `best` is
    the variant with the most fields right, `labelled` how many texts had truth.
    """

    best: str
    share: float
    labelled: int
    looks: tuple[int, ...]
    shares: tuple[tuple[float | None, bool], ...]
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run as the journal has it; its cells and scores are unpacked when they are asked for."""

    id: int
    at: float
    token: str
    facts: RunFacts
    packed: bytes
    best: tuple[str, float] | None
    scored: dict[str, Any] | None
    packed_scores: bytes

    @property
    def when(self) -> datetime:
        """When the run ended, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    @property
    def labelled(self) -> int:
        """How many texts had truth when it was scored last."""
        return self.facts.labelled if self.scored is None else int(self.scored["labelled"])

    def texts(self) -> list[tuple[bytes, bytes]]:
        """For each text the hash of its id and that of its words, empty if it has none."""
        data, size = self._unpacked(), HASH_BYTES
        places = range(0, 2 * size * self.facts.texts, 2 * size)
        return [(data[at : at + size], _known(data[at + size : at + 2 * size])) for at in places]

    def rows(self) -> array[int]:
        """The rows of the file: variant by variant, each text with its repeats; 0 for none."""
        rows = array("q", self._unpacked()[2 * HASH_BYTES * self.facts.texts :])
        for at in range(1, len(rows)):
            rows[at] += rows[at - 1]
        return rows

    def scores(self) -> RunScores | None:
        """How it was scored; None if it was not."""
        if self.scored is None:
            return None
        codes, groups = self._scores()
        return RunScores(
            best=str(self.scored["best"]),
            share=float(self.scored["share"]),
            labelled=int(self.scored["labelled"]),
            looks=tuple(map(int, self.scored["looks"])),
            shares=tuple(map(_read_code, codes)),
            groups=tuple(groups),
        )

    def _scores(self) -> tuple[array[int], array[int]]:
        count = 2 * len(self.facts.variants) * self.facts.texts
        if self.scored is None:
            return array("H"), array("I")
        data = _unpack(self.packed_scores, count, count + 4 * self.facts.texts)
        return array("H", data[:count]), array("I", data[count:])

    def _unpacked(self) -> bytes:
        size = 2 * HASH_BYTES * self.facts.texts
        rows = 8 * len(self.facts.variants) * self.facts.texts * self.facts.repeats
        return _unpack(self.packed, size + rows)


def _unpack(packed: bytes, *sizes: int) -> bytes:
    """The bytes, which have one of these sizes; ValueError otherwise, however they were packed."""
    data = zlib.decompressobj().decompress(packed, max(sizes) + 1)
    if len(data) not in sizes:
        message = f"{len(data)} bytes in place of {sizes}"
        raise ValueError(message)
    return data


def _read_code(code: int) -> tuple[float | None, bool]:
    if code < _SCORED:
        return (None if code == _UNSCORED else -1.0), False
    return (code - _SCORED) // 2 / _STEPS, bool((code - _SCORED) % 2)


def _code(share: float | None, lost: bool) -> int:
    if share is None:
        return _UNSCORED
    return _UNANSWERED if share < 0 else _SCORED + 2 * round(share * _STEPS) + lost


def digest(value: Any) -> str:
    """What tells whether two settings are the same."""
    written = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(written.encode("utf-8", "replace")).hexdigest()[:16]


_NONE = bytes(HASH_BYTES)


def _known(digest: bytes) -> bytes:
    return b"" if digest == _NONE else digest


def hash_words(words: str) -> bytes:
    """A short hash of an id or of a text; empty for a text without words."""
    return hashlib.sha256(words.encode("utf-8", "replace")).digest()[:HASH_BYTES] if words else b""


def token_of(rows: array[int]) -> str:
    """What a run's record is known by: the rows that answered it."""
    return hashlib.sha256(rows.tobytes()).hexdigest()[:24]


def put_run(
    query: Query,
    at: float,
    token: str,
    facts: RunFacts,
    texts: Iterable[tuple[bytes, bytes]],
    rows: Sequence[int],
) -> None:
    """Note a run that ended."""
    # One after the other: a list of a million hashes would be the most that a run needs.
    steps, hashes = array("q", map(sub, rows, chain((0,), rows))), bytearray()
    for each in chain.from_iterable(texts):
        hashes += each or _NONE
    packed = zlib.compress(hashes + steps.tobytes())
    query(
        "INSERT INTO run (at, token, facts, cells) VALUES (?, ?, ?, ?)",
        at, token, json.dumps(asdict(facts)), packed,
    )  # fmt: skip


def has_runs(query: Query) -> bool:
    """Whether a run was noted at all."""
    return bool(query("SELECT 1 FROM run LIMIT 1"))


def put_scores(query: Query, token: str, rules: str, scores: RunScores) -> None:
    """Note how the newest run of these rows was scored, if it was by its own rules."""
    found = query(
        "SELECT id, facts, scored FROM run WHERE token = ? ORDER BY id DESC LIMIT 1", token
    )
    if not found or json.loads(found[0][1])["rules"] != rules:
        return
    # Fewer labels than before are the truth as it was once given.
    if found[0][2] and json.loads(found[0][2])["labelled"] > scores.labelled:
        return
    codes = array("H", (_code(*each) for each in scores.shares))
    packed = zlib.compress(codes.tobytes() + array("I", scores.groups).tobytes())
    words = {name: getattr(scores, name) for name in ("best", "share", "labelled", "looks")}
    query(
        "UPDATE run SET scored = ?, scores = ? WHERE id = ?",
        json.dumps(words), packed, found[0][0],
    )  # fmt: skip


def read_runs(query: Query) -> list[RunRecord]:
    """Every run, the newest first; one that somebody else's hand has broken is left out."""
    rows = query(f"SELECT {_COLUMNS} FROM run ORDER BY at DESC, id DESC")
    return [record for row in rows if (record := _read(*row)) is not None]


def _read(
    id: int,  # noqa: A002
    at: float,
    token: str,
    facts: str,
    cells: bytes,
    scored: str | None,
    scores: bytes | None,
) -> RunRecord | None:
    try:
        saved = json.loads(facts)
        variants = tuple(RunVariant(**_own(RunVariant, each)) for each in saved["variants"])
        known = json.loads(scored) if scored else None
        record = RunRecord(
            id=id,
            at=float(at),
            token=token,
            facts=RunFacts(**_own(RunFacts, saved) | {"variants": variants}),
            packed=cells,
            best=None if known is None else (str(known["best"]), float(known["share"])),
            scored=known,
            packed_scores=scores or b"",
        )
        # What cannot be unpacked is found here, not by whichever view meets it first.
        record.when, record.labelled, record._unpacked(), record._scores()
        if known is not None:
            tuple(map(int, known["looks"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, zlib.error,
            RecursionError):  # fmt: skip
        return None
    return record


def _own(kind: type[RunFacts | RunVariant], saved: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of what was saved; ValueError for a value of another kind."""
    hints = get_type_hints(kind)
    own = {name: saved[name] for name in hints}
    for name, value in own.items():
        kinds = get_args(hints[name]) or (hints[name],)
        if name != "variants" and not isinstance(value, tuple(kinds) + (int,) * (float in kinds)):
            raise ValueError(name)
    return own


def trim_runs(query: Query, before: float) -> int:
    """Delete the runs that ended before; of the others, forget the rows that are gone.

    Their ids can be given to other rows one day.
    """
    old = len(query("SELECT id FROM run WHERE at < ?", before))
    query("DELETE FROM run WHERE at < ?", before)
    there = {row for (row,) in query("SELECT id FROM extraction")}
    for record in read_runs(query):
        rows = record.rows()
        kept = [row if row in there else 0 for row in rows]
        if kept != list(rows):
            steps = array("q", (row - last for row, last in zip(kept, (0, *kept), strict=False)))
            size = 2 * HASH_BYTES * record.facts.texts
            packed = zlib.compress(record._unpacked()[:size] + steps.tobytes())
            query("UPDATE run SET cells = ? WHERE id = ?", packed, record.id)
    return old
