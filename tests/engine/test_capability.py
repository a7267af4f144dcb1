"""The probe: what a server really enforces, not what it says yes to."""

from __future__ import annotations

import asyncio

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.messages import Capability, Form, Mode
from llmwidgets.engine import capability, loop
from llmwidgets.engine.pacing import Pace
from llmwidgets.errors import Unauthorized


def probed(end, **more) -> Capability:
    connection = Connection("custom", name="m", endpoint=end.url, **more)
    return loop.run(capability.find(connection, "m", policy=Policy(), pace=Pace(4)))


def test_a_server_that_enforces_json_schema_is_asked_once(far_end, model):
    """Ollama, vLLM, sglang, LM Studio."""
    found = probed(far_end(model))
    assert (found.form, found.mode) == (Form.JSON_SCHEMA, Mode.SCHEMA)
    assert found.tried == ((Form.JSON_SCHEMA, "accepted", True),)
    assert len(model.probes) == 1


def test_a_server_that_enforces_a_schema_beside_json_object(far_end, model):
    """Together, Fireworks: json_schema is refused."""
    model.takes, model.enforces, model.schema_beside_object = {"json_object", "text"}, set(), True
    found = probed(far_end(model))
    assert (found.form, found.mode) == (Form.JSON_OBJECT_SCHEMA, Mode.SCHEMA)
    assert found.tried[0] == (Form.JSON_SCHEMA, "refused, 400", False)


def test_a_200_alone_proves_nothing(far_end, model):
    """A gateway that accepts every form and ignores every schema is JSON only."""
    model.enforces = set()
    found = probed(far_end(model))
    assert (found.form, found.mode) == (Form.JSON_OBJECT, Mode.JSON)
    assert [row[1:] for row in found.tried] == [
        ("accepted", False), ("accepted", False), ("accepted", True),
    ]  # fmt: skip


def test_a_server_that_takes_no_form_is_text_only(far_end, model):
    model.takes, model.enforces = {"text"}, set()
    found = probed(far_end(model))
    assert (found.form, found.mode) == (Form.TEXT, Mode.TEXT)
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
        finds = [capability.find(connection, "m", policy=Policy(), pace=Pace(4)) for _ in range(10)]
        return await asyncio.gather(*finds)

    assert len(set(loop.run(ten()))) == 1
    assert len(model.probes) == 1


def test_a_server_that_refuses_the_key_has_no_capability(far_end):
    async def refuse(seen, wire):
        wire.answer({"error": {"message": "bad key"}}, 401)

    with pytest.raises(Unauthorized):
        probed(far_end(refuse))


def test_what_the_store_knows_is_not_probed(far_end, model):
    end = far_end(model)
    known = Capability(Form.JSON_OBJECT, Mode.JSON)
    connection = Connection("custom", name="m", endpoint=end.url).with_capability("m", known)
    found = loop.run(capability.find(connection, "m", policy=Policy(), pace=Pace(1)))
    assert found == known
    assert not end.seen


def test_a_listed_model_is_known_by_its_facts():
    connection = Connection("openai", api_key="sk-made-up-key-for-tests-0001")
    found = capability.known(connection, "gpt-6-luna")
    assert (found.form, found.mode) == (Form.JSON_SCHEMA, Mode.SCHEMA)
