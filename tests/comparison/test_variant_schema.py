"""A Variant's own schema: asked, judged and kept by it; scored, aligned and paid once as ever."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmwidgets import Comparison, Connection, Variant, compare, estimate, extract, load
from llmwidgets.comparison.runs import build_plan, read_documents
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.extraction import BROKE, UNHELD
from llmwidgets.engine.request_builder import RequestBuilder
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema
from tests.servers import ANTHROPIC, GEMINI, OPENAI, ModelServer, Seen, schema_of, serving_models

TEXTS = [{"id": "a", "text": "Net 100, gross 119."}, {"id": "b", "text": "Netto 100, brutto 119."}]
TRUTH = [{"total": 119, "name": "Ada"}] * 2


class Bill(BaseModel):
    total: float | None = None
    name: str | None = None


class BillB(BaseModel):
    total: float | None = Field(default=None, description="The gross amount, tax included.")
    name: str | None = None


class Worded(BaseModel):
    total: str | None = Field(default=None, description="The gross amount as it is written.")
    name: str | None = None


class Reader(ModelServer):
    """A model that heeds descriptions: it gives the net amount unless gross is asked for."""

    def _said(self, seen: Seen, _fault: str) -> Any:
        total = (schema_of(seen) or {})["properties"]["total"]
        words = json.dumps(total)
        figure = 119 if "gross" in words else 100
        return {"total": f"{figure},00" if "string" in words else figure, "name": "Ada"}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models(Reader) as end:
        yield end


@pytest.fixture
def model(server: ModelServer) -> tuple[Connection, str]:
    key = "sk-test-000000000000"
    return Connection("openai", api_key=key, base_url=f"{server.url}/v1"), "gpt-6-luna"


def ask(models: Any, schema: Any = Bill, **more: Any) -> Comparison:
    usual = {"truth": TRUTH, "journal": False, "progress": False}
    return compare(schema, TEXTS, models, **{**usual, **more})


def test_the_better_description_is_seen_in_the_scores(server, model) -> None:
    result = ask([Variant(model, label="A"), Variant(model, label="B", schema=BillB)])
    board = result.scoreboard().set_index("variant")
    assert board.accuracy.to_dict() == {"A": 0.5, "B": 1.0}
    records = {each.variant: each.record for each in result}
    assert (type(records["A"]), type(records["B"])) == (Bill, BillB)
    sent = [json.dumps(schema_of(each)) for each in server.asked(OPENAI)]
    assert sorted("tax included" in each for each in sent) == [False, False, True, True]
    requests = {each.variant: json.dumps(each.request) for each in result}
    assert ("tax included" in requests["A"], "tax included" in requests["B"]) == (False, True)


def test_each_schema_is_asked_once_and_found_again(server, model, tmp_path) -> None:
    """Two variants that differ by schema alone never share a reply; nothing is paid twice."""
    both = [Variant(model), Variant(model, schema=BillB)]
    for asked in (4, 4):
        result = ask(both, journal=tmp_path / "replies.sqlite")
        assert len(server.asked(OPENAI)) == asked
        assert result.scoreboard().accuracy.tolist() == [0.5, 1.0]
    # The better one becomes the comparison's: its replies are there already.
    assert ask([model], BillB, journal=tmp_path / "replies.sqlite").scoreboard().accuracy[0] == 1.0
    assert len(server.asked(OPENAI)) == 4
    # And a new description of the same fields is asked anew.
    other = Variant(model, schema=read_schema(BillB).described({"name": "Whose it is."}))
    ask(other, journal=tmp_path / "replies.sqlite")
    assert len(server.asked(OPENAI)) == 6


def test_the_same_schema_given_again_shares_every_reply(server, model, tmp_path) -> None:
    journal = tmp_path / "replies.sqlite"
    ask(model, journal=journal)
    same = [Variant(model), Variant(model, schema=Bill), Variant(model, schema=Bill, label="C")]
    result = ask(same, journal=journal)
    assert len(server.asked(OPENAI)) == 2
    assert len({json.dumps(each.body) for each in server.asked(OPENAI)}) == 2
    assert result.labels[:2] == ("openai/gpt-6-luna", "openai/gpt-6-luna · schema Bill")
    assert result.scoreboard().accuracy.tolist() == [0.5] * 3


ORDERS = [["total", "name"], ["name", "total"]]


def ordered(names: list[str], description: str = "") -> dict[str, Any]:
    fields = {"total": {"type": ["number", "null"]}, "name": {"type": ["string", "null"]}}
    fields["total"] |= {"description": description} if description else {}
    return {"type": "object", "title": "Bill", "properties": {name: fields[name] for name in names}}


def test_schemas_that_differ_in_order_alone_share_nothing(server, model, tmp_path) -> None:
    schemas = [ordered(names, words) for names in ORDERS for words in ("", "gross")]
    journal = tmp_path / "replies.sqlite"
    for at, each in enumerate(schemas, 1):
        ask(Variant(model, schema=each), schemas[0], journal=journal)
        assert len(server.asked(OPENAI)) == 2 * at
    orders = [list(schema_of(each)["properties"]) for each in server.asked(OPENAI)]
    assert orders == [ORDERS[0]] * 4 + [ORDERS[1]] * 4
    variants = [Variant(model, schema=each) for each in schemas]
    result = ask(variants, schemas[0], journal=journal)
    assert len(server.asked(OPENAI)) == 8
    assert len(set(result.labels)) == 4
    # The file keeps them apart as well.
    result.save(tmp_path / "saved.json")
    kept = [list(each.schema.json["properties"]) for each in load(tmp_path / "saved.json").variants]
    assert kept == [ORDERS[0], ORDERS[0], ORDERS[1], ORDERS[1]]


def test_another_type_is_valid_by_its_own_schema_and_compared_by_the_rules(model) -> None:
    result = ask([Variant(model, schema=Worded)])
    assert [each.data["total"] for each in result] == ["119,00"] * 2
    assert [each.status for each in result] == ["ok", "ok"]
    assert type(next(iter(result)).record) is Worded
    assert result.scoreboard().accuracy.tolist() == [1.0]


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
def test_every_dialect_is_asked_by_the_column_s_own_schema(server, kind: str) -> None:
    models = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "gemini": "gemini-3.8-flash"}
    dialect = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}[kind]
    keys = {"openai": "sk-", "anthropic": "sk-ant-api03-", "gemini": "AIza"}
    base = f"{server.url}/v1" if kind == "openai" else server.url
    connection = Connection(kind, api_key=f"{keys[kind]}test-{'0' * 30}", base_url=base)
    models = [
        Variant((connection, models[kind])),
        Variant((connection, models[kind]), schema=BillB),
    ]
    result = ask(models)
    assert result.scoreboard().accuracy.tolist() == [0.5, 1.0]
    assert len(server.asked(dialect)) == 4


def test_a_schema_that_is_not_enforced_says_nothing_of_another_column_s(model) -> None:
    """A server that breaks one column's schema keeps the other's, and each column says so."""
    narrow = ordered(ORDERS[0])
    narrow["properties"]["total"] = {"enum": [1, 2]}
    for notes in ([BROKE], [UNHELD]):
        result = ask(Variant(model, label="B", schema=narrow))
        assert {(each.status, str(each.mode)) for each in result} == {
            ("InvalidRecord", "JSON only")
        }
        assert [*next(iter(result)).notes] == notes
    # An invalid record is scored field by field, by the comparison's schema.
    assert result.scoreboard().accuracy.tolist() == [0.5]
    assert {str(each.mode) for each in ask(Variant(model, label="A"))} == {"schema enforced"}


class Typed(TypedDict):
    total: float | None
    name: str | None


@dataclasses.dataclass
class Data:
    total: float | None
    name: str | None


def test_whatever_compare_takes_as_a_schema_a_variant_takes(tmp_path: Path) -> None:
    file = tmp_path / "bill.json"
    file.write_text(json.dumps(ordered(ORDERS[0])), "utf-8")
    rows = [{"name": "total", "type": "number"}, {"name": "name"}]
    for given_schema in (BillB, Typed, Data, ordered(ORDERS[0]), file, str(file), rows):
        variant = Variant("m", schema=given_schema)
        assert variant.schema.paths == {"total", "name"}
        assert variant == Variant("m", schema=given_schema)
        assert hash(variant) == hash(Variant("m", schema=given_schema))
    with pytest.raises(FieldError) as caught:
        Variant("m", schema={"name": "total"})
    assert list(caught.value.problems) == ["schema"]
    assert caught.value.hint


def test_other_fields_are_refused_before_any_call_by_name(server, model) -> None:
    class Other(BaseModel):
        amount: float | None = None
        name: str | None = None

    for call in (ask, lambda models: estimate(Bill, TEXTS, models)):
        with pytest.raises(FieldError) as caught:
            call([Variant(model), Variant(model, schema=Other, label="B")])
        assert "lacks total and adds amount." in caught.value.message
        assert "schema of B" in caught.value.problems
        assert caught.value.hint
    with pytest.raises(FieldError, match=r"lacks name\."):
        extract(Bill, "x", Variant(model, schema=[{"name": "total", "type": "number"}]))
    nested = {"type": "object", "properties": {"total": {"type": "array", "items": {}}, "name": {}}}
    with pytest.raises(FieldError, match=r"lacks total and adds total\[\]\."):
        ask(Variant(model, schema=nested))
    assert server.asked(OPENAI) == []


def test_of_several_types_those_with_its_fields_are_asked_by_it(server, model) -> None:
    class Letter(BaseModel):
        sender: str | None = None

    texts = [{**TEXTS[0], "schema": Bill}, {"id": "l", "text": "From Ada.", "schema": Letter}]
    planned = build_plan(read_documents(None, texts), [Variant(model, schema=BillB)])
    builders = [RequestBuilder(planned.plan.columns[0], each.schema) for each in planned.plan.texts]
    assert [each.schema.name for each in builders] == ["BillB", "Letter"]
    with pytest.raises(FieldError, match="lacks sender"):
        build_plan(read_documents(Letter, ["x"]), [Variant(model, schema=BillB)])


def test_labels_tell_schemas_apart_and_cross_with_instructions(model) -> None:
    def labels(*models: Variant, **more: Any) -> list[str]:
        documents = read_documents(Bill, TEXTS)
        return [each.label for each in build_plan(documents, models, **more).plan.columns]

    ref, described = "openai/gpt-6-luna", [ordered(ORDERS[0], words) for words in ("a", "b", "c")]
    untitled = [{**each, "title": ""} for each in described]
    assert labels(Variant(model), Variant(model, schema=BillB)) == [ref, f"{ref} · schema BillB"]
    assert labels(*(Variant(model, schema=each) for each in described)) == [
        f"{ref} · schema Bill", f"{ref} · schema Bill · 2", f"{ref} · schema Bill · 3",
    ]  # fmt: skip
    assert labels(*(Variant(model, schema=each, effort="low") for each in untitled[:2])) == [
        f"{ref} · effort low, other schema", f"{ref} · effort low, other schema · 2",
    ]  # fmt: skip
    crossed = {"short": "Be short.", "long": "Be long."}
    assert labels(Variant(model), Variant(model, schema=BillB), instructions=crossed) == [
        f"{ref}{schema} · {name}" for schema in ("", " · schema BillB") for name in crossed
    ]
    with pytest.raises(FieldError, match="same label"):
        labels(Variant(model, schema=BillB), Variant(model, schema=BillB))


def test_what_is_saved_is_judged_by_the_same_schema_and_asked_again_so(
    server, model, tmp_path
) -> None:
    journal = tmp_path / "replies.sqlite"
    result = ask([Variant(model), Variant(model, schema=Worded)], journal=journal)
    result.save(tmp_path / "saved.json")
    loaded = load(tmp_path / "saved.json")
    assert [each.status for each in loaded] == ["ok"] * 4
    assert loaded.scoreboard().accuracy.tolist() == result.scoreboard().accuracy.tolist()
    assert loaded.variants[0].schema is None
    assert loaded.variants[1].schema.json == read_schema(Worded).json
    assert loaded.changes_since(result) == ()
    again = result.rerun(progress=False)
    assert len(server.asked(OPENAI)) == 4
    assert [type(each.record) for each in again] == [Bill, Bill, Worded, Worded]


def test_a_file_from_before_is_read(model, tmp_path) -> None:
    path = tmp_path / "saved.json"
    ask([Variant(model)]).save(path)
    assert "schema" not in json.loads(path.read_text("utf-8"))["variants"][0]
    assert load(path).variants[0].schema is None


def test_what_changed_of_a_schema_is_said_by_field(model) -> None:
    plain = ask(Variant(model, label="A"))
    own = ask(Variant(model, label="A", schema=BillB))
    assert own.changes_since(plain) == ("A: schema changed: title, total.description.",)
    assert own.against(plain).attrs["changed"] == list(own.changes_since(plain))
    assert plain.changes_since(own) == ("A: schema changed: title, total.description.",)
    texts = ask(Variant(model, label="A"), BillB).changes_since(plain)
    assert texts[-1] == "Schema changed: title, total.description."
    worded = read_schema(Bill).described({"total": "gross", "": "A bill."})
    described = ask(Variant(model, label="A", schema=worded))
    assert described.changes_since(plain) == ("A: schema changed: description, total.description.",)


def test_the_scoreboard_says_which_column_has_its_own(model, tmp_path) -> None:
    worded = read_schema(Bill).described({"total": "gross", "name": "whose"})
    result = ask([Variant(model, label="A"), Variant(model, label="B", schema=worded)])
    words = "schema: 2 descriptions differ"
    assert words in repr(result)
    assert words in result._repr_html_()
    page = result.to_html(tmp_path / "page.html").read_text("utf-8")
    assert words in page
    assert "the same" in page


def test_trial_answers_narrow_the_estimate_of_the_same_schema_alone(model) -> None:
    variant = Variant(model, label="A", schema=BillB)
    tried = ask(variant)
    again = Variant(model, label="A", schema=BillB)
    assert estimate(Bill, TEXTS, again, after=tried).tried == 2
    assert estimate(Bill, TEXTS, Variant(model, label="A"), after=tried).tried == 0
    longer = read_schema(Bill).described({"total": "gross, " * 400})
    tokens = [
        estimate(Bill, TEXTS, each).tokens_in
        for each in (Variant(model), Variant(model, schema=longer))
    ]
    assert tokens[1] > tokens[0] + 500


def test_the_code_defines_each_schema_and_makes_the_same_columns(model) -> None:
    worded = read_schema(Bill).described({"total": "gross"})
    result = ask(
        [Variant(model, label="A"), Variant(model, label="B", schema=worded),
         Variant(model, label="C", schema=Bill), Variant(model, label="D", schema=worded)]
    )  # fmt: skip
    code = result.code()
    made: dict[str, Any] = {}
    call = code.replace("lw.compare(", "dict(schema=", 1).replace("    texts,", "    texts=texts,")
    call = call.replace("schema=\n    schema,", "schema=schema,")
    exec(call, {"texts": TEXTS, "truth": TRUTH}, made)
    schemas = [getattr(each, "schema", None) for each in made["result"]["models"]]
    assert schemas[0] is None
    assert [each.json for each in schemas[1:]] == [
        result.variants[at].schema.json for at in (1, 2, 3)
    ]
    assert code.count("json.loads(") == 2


DESCRIPTIONS = st.dictionaries(
    st.sampled_from(["total", "name", ""]), st.text(min_size=1).filter(str.strip), min_size=1
)


@given(DESCRIPTIONS)
@settings(max_examples=60, deadline=None)
def test_keys_and_bodies_are_equal_exactly_where_the_schemas_are(descriptions) -> None:
    """Property: the text's schema given again is the same question; any other is another."""
    connection = Connection("openai", api_key="sk-test-000000000000")
    usual = read_schema(Bill)
    other = usual.described(descriptions)

    def asked(schema: Any) -> tuple[bytes, str]:
        variant = Variant((connection, "gpt-6-luna"), schema=schema)
        (text,) = read_documents(usual, TEXTS[:1])
        builder = RequestBuilder(variant.resolved(connection, "gpt-6-luna"), text.schema)
        form = ResponseFormat.JSON_SCHEMA
        request = builder.build(text, Capability(form, Enforcement.SCHEMA))
        body = json.dumps(builder.dialect.encode(request, builder.target).shown())
        return body.encode(), builder.prefix(form).hexdigest()

    plain = asked(None)
    assert asked(Bill) == plain
    assert asked(read_schema(usual.json)) == plain
    body, key = asked(other)
    assert body != plain[0]
    assert key != plain[1]
    # What is asked as the comparison's own schema has the same key as what a variant asks.
    (text,) = read_documents(other, TEXTS[:1])
    variant = Variant((connection, "gpt-6-luna")).resolved(connection, "gpt-6-luna")
    form = ResponseFormat.JSON_SCHEMA
    assert RequestBuilder(variant, text.schema).prefix(form).hexdigest() == key


def test_claims_by_other_descriptions(shared_data, tmp_path) -> None:
    """Real claims on the demo's rules, which heed descriptions: the fields stay aligned."""
    folder = shared_data / "insurance-claims"
    schema = read_schema(folder / "schema.json")
    lines = (folder / "claims.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(each) for each in lines[:6]]
    texts = [{"id": str(at), "text": each["text"]} for at, each in enumerate(rows)]
    worded = schema.described(
        {leaf.path: f"{leaf.description} Reworded." for leaf in schema.leaves}
    )
    models = [Variant("demo-careful"), Variant("demo-careful", schema=worded)]
    journal = tmp_path / "replies.sqlite"
    result = compare(schema, texts, models, journal=journal, progress=False)
    assert len(set(result.labels)) == 2
    assert {each.status for each in result} == {"ok"}
    assert {re.sub(r"\[\d+\]", "[]", each) for each in result.to_frame().field} <= schema.paths
    again = result.rerun(progress=False)
    assert all(each.paid_before is not None for each in again)
