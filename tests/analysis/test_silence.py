"""Null in words: what says that there is nothing is neither a value nor a null."""

from __future__ import annotations

import pytest

import llmwidgets as lw
from llmwidgets.analysis.leaves import says_no_value
from llmwidgets.analysis.scoring import score

SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": ["string", "null"]}, "n": {"type": ["number", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}  # fmt: skip
WORDS = (
    "N/A", "n.a.", "None", "(none)", "null", "unknown", "-", "–", "--", "...", "?", "Ｎ／Ａ",
    "not specified", "Not mentioned in the document", "not provided in the text.", "None mentioned",
    "No date given", "End date is not mentioned", "no information available", "Not applicable",
    "The document does not specify the date", "keine Angabe", "k. A.", "Nicht angegeben",
    "nicht im Dokument angegeben", "unbekannt", "non mentionné", "Non précisé dans le document",
    "aucune information disponible", "inconnu", "no especificado", "No se menciona", "desconocido",
    "no consta en el documento", "non specificato", "não informado", "niet vermeld", "onbekend",
    "nie podano", "brak danych", "не указано", "нет данных", "ikke oppgitt", "ej angivet",
    "neuvedeno", "0000-00-00", "not present in the document", "It does not say",
)  # fmt: skip
VALUES = (
    "not covered", "no", "0", "5", "A", "Null Island", "Nilsson", "Nada Surf", "no parking",
    "Parking not available", "smoking not permitted", "non-smoker", "unknown soldier", "NA 12",
    "none of the above applies to me", "not included", "not included in the price", "not present",
    "No rooms available", "no parking provided", "Keine Haftung", "!", "%", "+", "→", "", " ",
)  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_words_for_nothing_are_a_state_of_their_own(words: str) -> None:
    """Where truth is null they are neither invented nor right, where it is not they are missing."""
    (null,) = score(None, {"a": words}, {"a": None}).cells
    assert (null.state, null.right) == ("null in words", False)
    (said,) = score(None, {"a": words}, {"a": "Ada"}).cells
    assert (said.state, said.right) == ("missing", False)
    (same,) = score(None, {"a": words}, {"a": words}).cells
    assert (same.state, same.right) == ("agree", True)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_not_words_for_nothing(value: str) -> None:
    assert not says_no_value(value)


def test_the_words_of_truth_itself_are_right_in_any_case() -> None:
    assert score(None, {"a": "n/a"}, {"a": "N/A"}).right == 1


def test_words_for_nothing_in_a_list_and_in_a_number() -> None:
    scored = score(None, {"n": "unknown", "tags": ["none"]}, {"n": None, "tags": []})
    assert {cell.state for cell in scored.cells} == {"null in words"}
    assert (scored.labelled, scored.right, scored.invented, scored.nulls_in_words) == (2, 0, 0, 2)


def test_they_are_counted_by_variant_and_by_field() -> None:
    """In the scoreboard behind `missed`, and not as given in precision."""
    truth = [{"a": None, "n": 1}, {"a": "Ada", "n": None}]
    said = [{"a": "N/A", "n": 1}, {"a": "not mentioned", "n": None}]
    result = lw.Comparison.from_outputs(SCHEMA, ["one", "two"], {"A": said}, truth=truth)
    board = result.scoreboard()
    names = list(board.columns)
    assert names[names.index("missed") + 1] == "nulls_in_words"
    (row,) = board.to_dict("records")
    assert (row["invented"], row["missed"], row["nulls_in_words"]) == (0, 1, 1)
    assert row["precision"] == 1.0
    by_field = result.by_field().set_index("field")
    assert list(by_field.loc["a", ["invented", "missed", "nulls_in_words"]]) == [0, 1, 1]
    assert list(result.to_frame().query("field == 'a'").grounded) == ["not applicable"] * 2


def test_the_static_view_says_so_in_words() -> None:
    result = lw.Comparison.from_outputs(SCHEMA, ["one"], {"A": [{"a": "N/A"}]}, truth=[{"a": None}])
    assert "∅ null in words" in result._repr_html_()
    assert result.differences().marks[0] == "∅"
