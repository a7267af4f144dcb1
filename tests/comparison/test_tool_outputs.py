"""Results of promptfoo, Inspect and OpenAI Evals, read as outputs, in the shape of each tool."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.errors import FieldError

SCHEMA = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
TEXTS = {"a": "Total 12.00", "b": "Total 7"}
SAID = {"small": {"a": '{"total": 12}', "b": '{"total": 8}'},
        "large": {"a": '{"total": 12}', "b": '{"total": 7}'}}  # fmt: skip
TRUTH = {"a": {"total": 12}, "b": {"total": 7}}


def promptfoo(**more: Any) -> Any:
    rows = [
        {
            "promptIdx": 0, "testIdx": at, "provider": {"id": model, "label": ""},
            "prompt": {"raw": f"Extract: {TEXTS[key]}", "label": "Extract: {{text}}"},
            "vars": {"text": TEXTS[key], "id": key, "truth": TRUTH[key], "page": at},
            "response": {"output": json.loads(said[key]) if model == "large" else said[key]},
            "success": True, "score": 1, **more,
        }
        for model, said in SAID.items()
        for at, key in enumerate(TEXTS)
    ]  # fmt: skip
    summary = {"version": 3, "timestamp": "2026-03-01", "results": rows, "prompts": [], "stats": {}}
    return {"evalId": "eval-1", "results": summary, "config": {}, "shareableUrl": None}


def inspect(model: str, **more: Any) -> dict[str, Any]:
    samples = [
        {
            "id": key, "epoch": 1, "target": json.dumps(TRUTH[key]), "metadata": {"page": 1},
            "input": [{"role": "system", "content": "Extract."},
                      {"role": "user", "content": [{"type": "text", "text": TEXTS[key]}]}],
            "output": {"model": model, "choices": [{"message": {"content": SAID[model][key]}}]},
            **more,
        }
        for key in TEXTS
    ]  # fmt: skip
    return {"version": 2, "status": "success", "eval": {"model": model, "task": "t"},
            "samples": samples}  # fmt: skip


def zipped(log: dict[str, Any], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", how) as file:
        file.writestr("_journal/start.json", json.dumps({"version": 2, "eval": log["eval"]}))
        for each in log["samples"]:
            name = f"samples/{each['id']}_epoch_{each['epoch']}.json"
            file.writestr(name, json.dumps(each))
        file.writestr("header.json", json.dumps({key: log[key] for key in ("version", "eval")}))
        file.writestr("summaries.json", "[]")
    return packed.getvalue()


def output_items() -> list[Any]:
    return [
        {
            "object": "eval.run.output_item", "id": f"outputitem_{at}", "datasource_item_id": at,
            "datasource_item": {"text": TEXTS[key], "id": key, "ground_truth": TRUTH[key]},
            "sample": {"model": model, "input": [{"role": "user", "content": "x"}],
                       "output": [{"role": "assistant", "content": said[key]}]},
            "results": [], "status": "pass",
        }
        for model, said in SAID.items()
        for at, key in enumerate(TEXTS)
    ]  # fmt: skip


def oaieval(model: str) -> list[Any]:
    lines: list[Any] = [{"spec": {"completion_fns": [model], "eval_name": "t", "run_id": "r"}}]
    for at, key in enumerate(TEXTS):
        prompt = [
            {"role": "system", "content": "Extract."},
            {"role": "user", "content": TEXTS[key]},
        ]
        start = {
            "run_id": "r",
            "event_id": at,
            "sample_id": key,
            "created_by": "",
            "created_at": "",
        }
        said = {"prompt": prompt, "sampled": [SAID[model][key]]}
        match = {"correct": True, "expected": json.dumps(TRUTH[key]), "picked": "x"}
        lines += [{**start, "type": "sampling", "data": said}]
        lines += [{**start, "type": "match", "data": match}]
    return [*lines, {"final_report": {"accuracy": 0.5}}]


def as_lines(rows: list[Any]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


FILES: dict[str, dict[str, bytes]] = {
    "promptfoo": {"results.json": json.dumps(promptfoo()).encode()},
    "promptfoo, the summary": {"results.json": json.dumps(promptfoo()["results"]).encode()},
    "promptfoo, in lines": {"results.jsonl": as_lines(promptfoo()["results"]["results"])},
    "inspect": {"1.eval": zipped(inspect("small")), "2.eval": zipped(inspect("large"))},
    "inspect, as JSON": {f"{name}.json": json.dumps(inspect(name)).encode() for name in SAID},
    "output items": {"run.jsonl": as_lines(output_items())},
    "a page of items": {
        "run.json": json.dumps({"object": "list", "data": output_items()}).encode()
    },
    "oaieval": {f"{name}.jsonl": as_lines(oaieval(name)) for name in SAID},
}


def paths_of(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


@pytest.mark.parametrize("name", FILES)
def test_models_texts_and_truth_are_those_of_the_file(tmp_path, name) -> None:
    paths = paths_of(tmp_path, FILES[name])
    result = lw.Comparison.from_outputs(SCHEMA, None, paths if len(paths) > 1 else paths[0])
    assert sorted(result.labels) == ["large", "small"]
    assert {text.id: (text.text, text.truth) for text in result.texts} == {
        key: (text, TRUTH[key]) for key, text in TEXTS.items()
    }
    scores = result.scoreboard().set_index("variant").accuracy
    assert (scores["small"], scores["large"]) == (0.5, 1)
    assert any(note.startswith("Read from ") for note in result.notes)


@pytest.mark.parametrize("name", ["promptfoo", "inspect", "output items", "oaieval"])
def test_own_texts_are_known_by_their_words_or_ids(tmp_path, name) -> None:
    paths = paths_of(tmp_path, FILES[name])
    for texts in (["Total 7 ", "Total 12.00", "more"], {"b": "", "a": "", "c": ""}):
        result = lw.Comparison.from_outputs(SCHEMA, texts, paths)
        column = list(result.labels).index("small")
        said = [each.data for each in result if each.variant == result.labels[column]]
        assert said == [{"total": 8}, {"total": 12}, None]
    with pytest.raises(FieldError, match="outputs: are of 1 text more, known neither by"):
        lw.Comparison.from_outputs(SCHEMA, {"a": "x"}, paths)


def test_epochs_are_repeats_and_an_error_is_no_answer(tmp_path) -> None:
    log = inspect("small")
    again = [{**each, "epoch": 2} for each in log["samples"]]
    again[1] |= {"error": {"message": "timed out"}}
    log["samples"] = [*again, *log["samples"]]
    (path,) = paths_of(tmp_path, {"log.eval": zipped(log)})
    result = lw.Comparison.from_outputs(SCHEMA, None, path)
    assert result.repeats == 2
    assert [(each.text_id, each.repeat, each.status) for each in result if not each.ok] == [
        ("b", 1, "Stopped")
    ]
    with pytest.raises(FieldError, match="repeats: is 3, and the file has 2 runs"):
        lw.Comparison.from_outputs(SCHEMA, None, path, repeats=3)


def test_prompts_and_runs_of_one_model_have_labels_of_their_own(tmp_path) -> None:
    rows = promptfoo()["results"]["results"][:2]
    short = [{**row, "promptIdx": 1, "prompt": {"label": "short"}} for row in rows]
    (path,) = paths_of(tmp_path, {"results.json": json.dumps({"results": rows + short}).encode()})
    labels = lw.Comparison.from_outputs(SCHEMA, None, path).labels
    assert sorted(labels) == ["small · Extract: {{text}}", "small · short"]
    logs = paths_of(tmp_path, {f"{n}.eval": zipped(inspect("small")) for n in ("one", "two")})
    assert sorted(lw.Comparison.from_outputs(SCHEMA, None, logs).labels) == [
        "small · one", "small · two",
    ]  # fmt: skip


def bomb() -> bytes:
    """A log that says it unpacks to more than is read."""
    data = bytearray(zipped(inspect("small")))
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)  # the first sample's entry
    data[at + 24 : at + 28] = (3_000_000_000).to_bytes(4, "little")
    return bytes(data)


def packed_otherwise() -> bytes:
    data = bytearray(zipped(inspect("small")))
    at = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[at + 10 : at + 12] = (93).to_bytes(2, "little")
    return bytes(data)


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "another file": ("x.json", b'{"a": 1}', "is not a file of results that is known"),
    "a list": ("x.json", b"[1, 2]", "is not a file of results that is known"),
    "an empty one": ("x.jsonl", b"", "is not a file of results that is known"),
    "no JSON": ("x.json", b"{", "is not valid JSON"),
    "deep": ("x.json", b"[" * 100_000, "nested too deeply"),
    "NUL": ("x.json", b'{"results": [{"provider": 1, "vars": {}}]}\0', "is not valid JSON"),
    "bytes": ("x.json", b"\xff\xfe\xff", "is not UTF-8 text"),
    "no provider": ("x.json", b'[{"provider": 7, "vars": {}}]', "result 1 names no provider"),
    "no object": ("x.json", b'[{"provider": "a", "vars": {}}, 7]', "entry 2 is not an object"),
    "no samples": ("x.json", b'{"eval": {"model": "m"}, "samples": []}', "has no results"),
    "no model": ("x.json", b'{"eval": {"task": "t"}, "samples": [{}]}', "names no model"),
    "another zip": ("x.eval", zipped(inspect("small"))[:-40], "is damaged"),
    "a bomb": ("x.eval", bomb(), "unpacks to"),
    "Zstandard": ("x.eval", packed_otherwise(), "is packed as Zstandard or in another way"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_else_is_refused_with_what_was_expected(tmp_path, name) -> None:
    file, data, words = REFUSED[name]
    (path,) = paths_of(tmp_path, {file: data})
    with pytest.raises(FieldError, match=words) as caught:
        lw.Comparison.from_outputs(SCHEMA, None, path)
    assert caught.value.hint


@pytest.mark.parametrize("output", ["/", "claims.csv", "C:\\x", "*", "", "https://a.b/c.csv"])
def test_an_output_that_looks_like_a_path_is_an_output(output) -> None:
    (extraction,) = lw.Comparison.from_outputs(SCHEMA, ["x"], {"A": [output]})
    assert extraction.status == "InvalidJSON"
