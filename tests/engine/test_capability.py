"""The probe: what a server really enforces, not what it says yes to."""

from __future__ import annotations

import asyncio
import json

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop, probe
from llmwidgets.engine.extraction import Extractor
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.request_builder import Document, ResolvedVariant
from llmwidgets.errors import Unauthorized
from llmwidgets.schemas import read_schema


def probed(end, **more) -> Capability:
    connection = Connection("custom", name="m", endpoint=end.url, **more)
    return event_loop.run_blocking(
        probe.find_capability(connection, "m", policy=Policy(), pace=Pace(4))
    )


def test_a_server_that_enforces_json_schema_is_asked_once(far_end, model):
    """Ollama, vLLM, sglang, LM Studio."""
    found = probed(far_end(model))
    assert (found.form, found.mode) == (ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    assert found.tried == ((ResponseFormat.JSON_SCHEMA, "accepted", True),)
    assert len(model.probes) == 1


def test_a_server_that_enforces_a_schema_beside_json_object(far_end, model):
    """Together, Fireworks: json_schema is refused."""
    model.takes, model.enforces, model.schema_beside_object = {"json_object", "text"}, set(), True
    found = probed(far_end(model))
    assert (found.form, found.mode) == (ResponseFormat.JSON_OBJECT_SCHEMA, Enforcement.SCHEMA)
    assert found.tried[0] == (ResponseFormat.JSON_SCHEMA, "refused, 400", False)


def test_a_200_alone_proves_nothing(far_end, model):
    """A gateway that accepts every form and ignores every schema is JSON only."""
    model.enforces = set()
    found = probed(far_end(model))
    assert (found.form, found.mode) == (ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    assert [row[1:] for row in found.tried] == [
        ("accepted", False), ("accepted", False), ("accepted", True),
    ]  # fmt: skip


def test_a_server_that_takes_no_form_is_text_only(far_end, model):
    model.takes, model.enforces = {"text"}, set()
    found = probed(far_end(model))
    assert (found.form, found.mode) == (ResponseFormat.TEXT, Enforcement.TEXT)
    assert len(found.tried) == 4


def test_the_probe_names_neither_its_property_nor_its_value(far_end, model):
    """What the prompt says must not give the answer away."""
    probed(far_end(model))
    schema = model.probes[0]["response_format"]["json_schema"]["schema"]
    (name, rule), *others = schema["properties"].items()
    assert not others
    said = repr(model.probes[0]["messages"])
    assert name not in said
    assert rule["enum"][0] not in said
    assert "JSON" in said


def test_many_who_ask_share_one_probe(far_end, model):
    connection = Connection("custom", name="m", endpoint=far_end(model).url)

    async def ten():
        finds = [
            probe.find_capability(connection, "m", policy=Policy(), pace=Pace(4)) for _ in range(10)
        ]
        return await asyncio.gather(*finds)

    assert len(set(event_loop.run_blocking(ten()))) == 1
    assert len(model.probes) == 1


def test_a_server_that_refuses_the_key_has_no_capability(far_end):
    async def refuse(seen, wire):
        wire.answer({"error": {"message": "bad key"}}, 401)

    with pytest.raises(Unauthorized):
        probed(far_end(refuse))


def test_what_the_store_knows_is_not_probed(far_end, model):
    end = far_end(model)
    known = Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON)
    connection = Connection("custom", name="m", endpoint=end.url).with_capability("m", known)
    found = event_loop.run_blocking(
        probe.find_capability(connection, "m", policy=Policy(), pace=Pace(1))
    )
    assert found == known
    assert not end.seen


def test_a_listed_model_is_known_by_its_facts():
    connection = Connection("openai", api_key="sk-made-up-key-for-tests-0001")
    found = connection.capability("gpt-6-luna")
    assert (found.form, found.mode) == (ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)


def test_every_probe_asks_for_another_record(far_end, model):
    """An answer that a gateway kept from an earlier probe is no obedience."""
    end = far_end(model)
    probed(end)
    capability.forget_capabilities()
    probed(end)
    first, second = (
        each["response_format"]["json_schema"]["schema"]["properties"] for each in model.probes
    )
    assert first != second


def test_a_kept_answer_is_no_obedience(far_end):
    """A gateway answers every question with the record of the first one."""
    kept: list[dict] = []

    async def gateway(seen, wire):
        form = seen.json.get("response_format", {})
        schema = form.get("json_schema", form).get("schema", {})
        record = {name: rule["enum"][0] for name, rule in schema.get("properties", {}).items()}
        kept.append(record)
        wire.chat(kept[0])

    end = far_end(gateway)
    assert probed(end).mode is Enforcement.SCHEMA
    capability.forget_capabilities()
    assert probed(end).mode is Enforcement.JSON


def test_a_server_that_honours_a_schema_beside_json_object_alone_ends_there(far_end, model):
    """Both json_schema and a bare json_object are taken, and obey nothing."""
    model.enforces, model.schema_beside_object = set(), True
    found = probed(far_end(model))
    assert (found.form, found.mode) == (ResponseFormat.JSON_OBJECT_SCHEMA, Enforcement.SCHEMA)
    assert [row[0] for row in found.tried] == [
        ResponseFormat.JSON_SCHEMA,
        ResponseFormat.JSON_OBJECT_SCHEMA,
    ]


def test_a_form_that_a_kind_does_not_send_is_no_row(far_end, model):
    """Foundry has no schema beside json_object."""
    model.takes, model.enforces = {"json_object", "text"}, set()
    connection = Connection(
        "azure_ai_foundry", model="mistral-large-3", endpoint=far_end(model).url, api_key="k" * 32
    )
    found = event_loop.run_blocking(
        probe.find_capability(connection, "mistral-large-3", policy=Policy(), pace=Pace(4))
    )
    assert [row[0] for row in found.tried] == [
        ResponseFormat.JSON_SCHEMA,
        ResponseFormat.JSON_OBJECT,
    ]


class Loading:
    """A server that loads its model with the first question after it was started: `loads_for`."""

    def __init__(self, model) -> None:
        self.model, self.loads_for = model, ""

    async def __call__(self, seen, wire) -> None:
        if seen.line.startswith("POST") and not self.loads_for:
            self.loads_for = json.dumps(seen.json)
        await self.model(seen, wire)


def first_texts(connection: Connection):
    one = Extractor(ResolvedVariant("c", connection, "m"), policy=Policy(), pace=Pace(1))
    schema = read_schema([{"name": "total", "type": "number", "required": True}])
    return [
        event_loop.run_blocking(one.ask(Document("t", f"Total {n}", schema, None)))
        for n in range(2)
    ]


def test_the_time_of_the_first_text_holds_no_loading_after_a_probe(far_end, model):
    server = Loading(model)
    rows = first_texts(Connection("custom", name="m", endpoint=far_end(server).url))
    assert [row.status for row in rows] == ["ok", "ok"]
    assert "weather" in server.loads_for
    assert "Total" not in server.loads_for


def test_the_time_of_the_first_text_holds_no_loading_without_a_probe(far_end, model):
    """What the store knows of the server is not probed anew; the model is loaded all the same."""
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    server = Loading(model)
    connection = Connection("custom", name="m", endpoint=far_end(server).url)
    rows = first_texts(connection.with_capability("m", known))
    assert [row.status for row in rows] == ["ok", "ok"]
    assert json.loads(server.loads_for)["max_tokens"] == 16
    assert [each["max_tokens"] for each in model.asked].count(16) == 1
    assert not model.probes


def test_a_server_elsewhere_is_not_warmed_up(far_end, model):
    connection = Connection("openai", api_key="made-up-key", base_url=far_end(model).url)
    one = Extractor(ResolvedVariant("c", connection, "gpt-6-luna"), policy=Policy(), pace=Pace(1))
    schema = read_schema([{"name": "total", "type": "number", "required": True}])
    event_loop.run_blocking(one.ask(Document("t", "Total 1", schema, None)))
    assert len(model.asked) == 1
