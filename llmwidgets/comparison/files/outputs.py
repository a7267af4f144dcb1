"""Outputs out of the files of other tools: promptfoo, Inspect, OpenAI Evals."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison.files.tables import LARGEST, Row, match_names
from llmwidgets.comparison.values import is_nothing, name_of
from llmwidgets.engine.estimate.memory import tell_of_memory
from llmwidgets.errors import FieldError, read_json
from llmwidgets.formatting import count, file_size, join_truncated

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document

_EXPECTED = (
    "Read are results of promptfoo (promptfoo eval -o results.json or .jsonl), logs of Inspect "
    "(.eval or .json), and of OpenAI Evals the output items of a run (JSON or JSONL) and the log "
    'of oaieval (.jsonl). Anything else is given as outputs by label: {"A": […]}.'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one column of another tool said of one text. `output` is None where nothing came."""

    label: str
    id: str
    text: str
    output: Any
    truth: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToolOutputs:
    """The texts of files of other tools, and for each label the runs: outputs by the texts' ids."""

    texts: tuple[Row, ...]
    runs: Mapping[str, tuple[dict[str, Any], ...]]
    note: str

    def outputs_for(self, documents: Sequence[Document], repeats: int) -> tuple[Any, int]:
        """For each label its outputs by the ids of these texts, and how often a text was asked.

        A text is known by its words, else by its id. FieldError for a text that is not among
        them, and for another number of repeats.
        """
        words = {each.text.strip(): each.id for each in documents if each.text.strip()}
        ids: Mapping[str, str] = {each.id: each.id for each in documents}
        own = {row["id"]: words.get(row["text"].strip()) for row in self.texts}
        if None in own.values():
            own = {key: ids.get(key) for key in own}
        if unknown := [key for key, known in own.items() if known is None]:
            raise FieldError(
                {"outputs": f"are of {count(len(unknown), 'text')} more, known neither by "
                 f"words nor by id: {join_truncated(unknown)}."},
                "Give texts=None to take the texts of the file, or a dict of texts by its ids.",
            )  # fmt: skip
        asked = max(map(len, self.runs.values()))
        if repeats not in (1, asked):
            raise FieldError(
                {"repeats": f"is {repeats}, and the file has {count(asked, 'run')}."},
                "Leave repeats out: it is read from the file.",
            )
        read: dict[str, Any] = {}
        for label, runs in self.runs.items():
            named = [{own[key]: each for key, each in run.items()} for run in runs]
            read[label] = [*named, *[{}] * (asked - len(named))] if asked > 1 else named[0]
        return read, asked


def read_outputs(files: Sequence[tuple[str, bytes]]) -> ToolOutputs:
    """What tools wrote, by the shape of each file; FieldError for any other file.

    A label that several files have is told apart by the name of its file.
    """
    read = [(name, *_recognise(name, data)) for name, data in files]
    files_of = Counter(
        label for _, _, answers in read for label in {each.label for each in answers}
    )
    texts: dict[str, Row] = {}
    runs: dict[str, list[dict[str, Any]]] = {}
    asked: Counter[tuple[str, str]] = Counter()
    for name, _, answers in read:
        for each in answers:
            apart = f" · {PurePath(name).stem}" if files_of[each.label] > 1 else ""
            label = f"{each.label}{apart}"
            row = texts.setdefault(each.id, _row_of(each))
            if row["text"] != each.text:
                raise FieldError(
                    f"{name}: the text {each.id} is another one there than before.",
                    "Give the files of one set of texts, or each in a comparison of its own.",
                )
            own = runs.setdefault(label, [])
            if asked[label, each.id] == len(own):
                own.append({})
            own[asked[label, each.id]][each.id] = each.output
            asked[label, each.id] += 1
    tools = ", ".join(dict.fromkeys(tool for _, tool, _ in read))
    known = tuple(texts.values())
    note = f"Read from {join_truncated([name for name, _, _ in read])}, results of {tools}."
    if any("truth" in row for row in known):
        note += " Records that were expected there are the truth of its texts."
    return ToolOutputs(known, {label: tuple(each) for label, each in runs.items()}, note)


def _row_of(answer: Answer) -> Row:
    row = Row({name: each for name, each in answer.more.items() if name not in ("id", "text")})
    row |= {"id": answer.id, "text": answer.text}
    row.pop("truth", None)
    if answer.truth is not None:
        row["truth"] = answer.truth
    row.pop("schema", None)
    return row


def _recognise(name: str, data: bytes) -> tuple[str, list[Answer]]:
    """The tool that wrote a file, and what it says."""
    try:
        found = _read_zip(name, data) if data[:4] == b"PK\x03\x04" else _read_text(name, data)
        if found is None:
            raise FieldError(f"{name} is not a file of results that is known.", _EXPECTED)
        tool, answers = found
        listed = list(answers)
    except RecursionError:
        raise FieldError(f"{name} is nested too deeply to be read.", "Write it again.") from None
    if not listed:
        raise FieldError(f"{name} has no results.", "Run the evaluation to its end.")
    return tool, listed


Found = tuple[str, Iterable[Answer]]


def _read_text(name: str, data: bytes) -> Found | None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FieldError(f"{name} is not UTF-8 text.", _EXPECTED) from None
    if not name.casefold().endswith((".jsonl", ".ndjson")):
        whole = read_json(text, name)
        return _read_whole(name, whole)
    # Not `splitlines`: JSON may contain other line ends inside of a string.
    lines = [read_json(line, name, line=at) for at, line in enumerate(text.split("\n"), 1)
             if line.strip()]  # fmt: skip
    if any(_object(_object(line).get("spec")) for line in lines[:1]):
        return "OpenAI Evals", _read_oaieval(name, lines)
    return _read_whole(name, lines)


def _read_whole(name: str, whole: Any) -> Found | None:
    """The tool by the keys that only its files have."""
    if isinstance(whole, dict) and _object(whole.get("results")):
        whole = whole["results"]
    if isinstance(whole, dict) and _object(whole.get("eval")) and "samples" in whole:
        return "Inspect", _read_inspect(name, whole["eval"], _objects(name, whole["samples"]))
    for key in ("results", "data"):
        if isinstance(whole, dict) and isinstance(whole.get(key), list):
            whole = whole[key]
    if not isinstance(whole, list) or not whole or not isinstance(whole[0], dict):
        return None
    if whole[0].get("object") == "eval.run.output_item":
        return "OpenAI Evals", _read_output_items(name, _objects(name, whole))
    if {"provider", "vars"} <= whole[0].keys():
        return "promptfoo", _read_promptfoo(name, _objects(name, whole))
    return None


def _object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _objects(name: str, rows: Any) -> list[dict[str, Any]]:
    for at, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        if not isinstance(row, dict):
            raise FieldError(f"{name}, entry {at} is not an object.", "Write the file again.")
    return rows if isinstance(rows, list) else []


def _part(row: Any, *keys: str) -> Any:
    """What is under these keys, one inside the other; None where there is nothing."""
    for key in keys:
        row = row.get(key) if isinstance(row, dict) else None
    return row


def _record(value: Any) -> Any:
    """What was expected, if it is a record: an object, or JSON that is one; else None."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        with suppress(ValueError):
            value = json.loads(value)
    return value if isinstance(value, dict) else None


def _words(content: Any) -> str:
    """The text of a message's content: itself, or its parts that are text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(text for part in parts if isinstance(text := _part(part, "text"), str))


def _asked(messages: Any) -> str:
    """What the user said last, of a prompt that is a text or messages."""
    if not isinstance(messages, list):
        return _words(messages)
    said = [_words(_part(each, "content")) for each in messages if _part(each, "role") == "user"]
    return said[-1] if said else "\n".join(_words(_part(each, "content")) for each in messages)


def _text_and_id(values: Mapping[str, Any], place: Any) -> tuple[str, str, dict[str, Any]]:
    """The text, the id and the rest of a case; where none is called text, it is the only string."""
    found, _ = match_names(values)
    named = {key: values[name] for name, key in found.items()}
    own = named.get("id")
    texts = {name: each for name, each in values.items() if isinstance(each, str)}
    text = named.get("text")
    if not isinstance(text, str):
        text = next(iter(texts.values())) if len(texts) == 1 else None
    rest = {name: each for name, each in values.items() if found.get(name) not in ("id", "text")}
    return text or "", name_of(place if is_nothing(own) else own), rest


# -- promptfoo: a row for each test, prompt and provider.


def _read_promptfoo(name: str, rows: list[dict[str, Any]]) -> Iterator[Answer]:
    prompts = {_prompt_of(row) for row in rows}
    cases: dict[str, int] = {}
    for at, row in enumerate(rows):
        provider = row.get("provider")
        label = provider if isinstance(provider, str) else _part(provider, "label")
        label = label or _part(provider, "id")
        if not isinstance(label, str):
            raise FieldError(f"{name}, result {at + 1} names no provider.", _EXPECTED)
        if len(prompts) > 1:
            label = f"{label} · {_prompt_of(row)}"
        values = _object(row.get("vars"))
        place = row.get("testIdx")
        if place is None:  # as before version 3
            place = cases.setdefault(json.dumps(values, sort_keys=True), len(cases))
        text, own, rest = _text_and_id(values, place)
        truth = _record(_part(row, "testCase", "metadata", "truth") or rest.pop("truth", None))
        yield Answer(label, own, text, _part(row, "response", "output"), truth, rest)


def _prompt_of(row: Mapping[str, Any]) -> str:
    """What tells prompts apart: a short label, which may be the whole prompt, else the number."""
    label = _part(row, "prompt", "label")
    number = row.get("promptIdx")
    short = isinstance(label, str) and 0 < len(label) <= 40 and "\n" not in label
    return str(label) if short else f"prompt {number if isinstance(number, int) else 0}"


# -- Inspect: a sample for each text and epoch, in a zip file or in one JSON.


def _read_inspect(
    name: str, spec: Mapping[str, Any], samples: list[dict[str, Any]]
) -> Iterator[Answer]:
    model = spec.get("model")
    if not isinstance(model, str):
        raise FieldError(f"{name} names no model.", _EXPECTED)
    epochs = [each if isinstance(each := row.get("epoch"), int) else 1 for row in samples]
    for at in sorted(range(len(samples)), key=epochs.__getitem__):
        sample = samples[at]
        kept = _object(sample.get("attachments"))
        text = _asked(sample.get("input"))
        if text.startswith(_ATTACHED):
            text = _words(kept.get(text.removeprefix(_ATTACHED)))
        yield Answer(
            model, name_of(sample.get("id", at + 1)), text, _completion(sample, kept),
            _record(sample.get("target")), _object(sample.get("metadata")),
        )  # fmt: skip


_ATTACHED = "attachment://"


def _completion(sample: Mapping[str, Any], kept: Mapping[str, Any]) -> str | None:
    """What the model said; None where the sample ended in an error or nothing was said."""
    choices = _part(sample, "output", "choices")
    said = _part(sample, "output", "completion")
    if not isinstance(said, str) and isinstance(choices, list) and choices:
        said = _words(_part(choices[0], "message", "content"))
    if sample.get("error") or not isinstance(said, str) or not (said or choices):
        return None
    if said.startswith(_ATTACHED):
        return _words(kept.get(said.removeprefix(_ATTACHED)))
    return said


_HEADERS = ("header.json", "_journal/start.json", "start.json")
_TO_JSON = "Turn it into JSON with Inspect itself: inspect log convert --to json --output-dir . LOG"


def _read_zip(name: str, data: bytes) -> Found | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = set(packed.namelist())
            head = next((each for each in _HEADERS if each in names), None)
            if head is None:
                return None
            samples = [
                each
                for each in packed.infolist()
                if each.filename.startswith("samples/") and each.filename.endswith(".json")
            ]
            _refuse_packing(name, [packed.getinfo(head), *samples])
            spec = _part(_member(packed, head, name), "eval")
            rows = [_member(packed, each.filename, name) for each in samples]
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, zlib.error, NotImplementedError,
            RuntimeError, UnicodeError) as error:  # fmt: skip
        if isinstance(error, RecursionError):
            raise
        raise FieldError(f"{name} is damaged: it cannot be unpacked.", "Copy it again.") from None
    return "Inspect", _read_inspect(name, _object(spec), _objects(name, rows))


def _member(packed: zipfile.ZipFile, member: str, name: str) -> Any:
    return read_json(packed.read(member).decode("utf-8"), f"{name}, {member}")


def _refuse_packing(name: str, members: Sequence[zipfile.ZipInfo]) -> None:
    """FieldError for what Python cannot unpack, and for what would fill the memory."""
    known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if any(each.compress_type not in known for each in members):
        raise FieldError(f"{name} is packed as Zstandard or in another way.", _TO_JSON)
    size = sum(each.file_size for each in members)
    if size > LARGEST:
        raise FieldError(
            f"{name} unpacks to {file_size(size)}; at most {file_size(LARGEST)} are read.",
            "Give logs with fewer samples.",
        )
    tell_of_memory(5 * size, name)


# -- OpenAI Evals: the output items of a hosted run; the log of oaieval, an event a line.


def _read_output_items(name: str, items: list[dict[str, Any]]) -> Iterator[Answer]:
    for at, item in enumerate(items, 1):
        case = _object(item.get("datasource_item"))
        values = _object(case.get("item")) or case
        text, own, rest = _text_and_id(values, item.get("datasource_item_id", at))
        sample = item.get("sample")
        said = _part(sample, "output")
        output = _words(_part(said[-1], "content")) if isinstance(said, list) and said else None
        expected = (_record(rest.pop(key, None)) for key in _EXPECTED_KEYS)
        truth = next(filter(None, expected), None)
        model = _part(sample, "model")
        if not isinstance(model, str):
            raise FieldError(f"{name}, item {at} names no model.", _EXPECTED)
        yield Answer(model, own, text or _asked(_part(sample, "input")), output, truth, rest)


_EXPECTED_KEYS = ("truth", "expected", "ideal", "ground_truth", "reference")
"""What people call the column with what is right."""


def _read_oaieval(name: str, lines: list[Any]) -> Iterator[Answer]:
    model = _part(lines[0], "spec", "completion_fns")
    model = model[0] if isinstance(model, list) and model else model
    model = model or _part(lines[0], "spec", "model_name") or _part(lines[0], "spec", "eval_name")
    events = [row for row in lines if _object(_object(row).get("data"))]
    expected: dict[str, Any] = {}
    for event in events:
        if event.get("type") == "match":
            expected.setdefault(name_of(event.get("sample_id")), event["data"].get("expected"))
    for event in events:
        if event.get("type") != "sampling":
            continue
        sample, said = name_of(event.get("sample_id")), event["data"].get("sampled")
        said = said[0] if isinstance(said, list) and said else said
        yield Answer(
            str(model), sample, _asked(event["data"].get("prompt")),
            said if isinstance(said, str | dict) else None, _record(expected.get(sample)),
        )  # fmt: skip
