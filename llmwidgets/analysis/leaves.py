"""Leaves: the plain values of a record with their places, and which values are empty."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from llmwidgets.analysis.normalize import says_nothing
from llmwidgets.analysis.scripts import evened
from llmwidgets.schemas import Schema
from llmwidgets.schemas.canonical import any_name, item_path, prefixes, property_path


class _Nothing:
    """The marker for no value: not labelled, or not answered."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()


def leaves_of(schema: Schema | None, data: Any) -> list[tuple[str, str, Any]]:
    """Every leaf of a record: its place, its pattern, its value. An empty list or object has none.

    >>> leaves_of(None, {"lines": [{"total": 5}]})
    [('lines[0].total', 'lines[].total', 5)]
    """
    return list(leaves_in(patterns_of(schema), data, "", ""))


def is_empty(value: Any) -> bool:
    """Whether a value is empty: null, blank, or a list or object of nothing else."""
    if type(value) is str:
        return not value.strip()
    if value is NOTHING:
        return True
    if isinstance(value, dict):
        return all(is_empty(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return all(is_empty(each) for each in value)
    return says_nothing(value)


_FOLDED = (dict, list, tuple)
_SCALARS = frozenset({str, int, float, bool, type(None)})


def is_same_scalar(truth: Any, value: Any) -> bool:
    """Whether two plain values are the same to the letter, the sign of a zero included.

    >>> is_same_scalar("a", "a"), is_same_scalar(1, 1.0), is_same_scalar(0.0, -0.0)
    (True, False, False)
    """
    kind = type(truth)
    if type(value) is not kind or kind not in _SCALARS:
        return False
    return bool(truth == value) and (kind is not float or truth != 0)


@lru_cache(maxsize=64)
def patterns_of(schema: Schema | None) -> frozenset[str]:
    """The pattern of every leaf of a schema, and of every place around one."""
    leaves = schema.leaves if schema is not None else ()
    return frozenset(prefix for leaf in leaves for prefix in prefixes(leaf.path))


@lru_cache(maxsize=64)
def categories_of(schema: Schema | None) -> frozenset[str]:
    """The patterns of the leaves with a few values to choose from."""
    leaves = schema.leaves if schema is not None else ()
    return frozenset(leaf.path for leaf in leaves if leaf.type in {"enum", "boolean"})


@lru_cache(maxsize=8192)
def inner_pattern(patterns: frozenset[str], pattern: str, name: str) -> str:
    """The pattern of a property; a name the schema leaves open becomes `*`."""
    named = property_path(pattern, name)
    starred = any_name(pattern)
    return starred if named not in patterns and starred in patterns else named


def leaves_in(
    patterns: frozenset[str], data: Any, path: str, pattern: str
) -> Iterator[tuple[str, str, Any]]:
    """Every leaf below a place: its place, its pattern, its value."""
    if isinstance(data, dict):
        for name, each in data.items():
            inner = inner_pattern(patterns, pattern, str(name))
            yield from leaves_in(patterns, each, property_path(path, str(name)), inner)
    elif isinstance(data, list | tuple):
        for index, each in enumerate(data):
            yield from leaves_in(patterns, each, item_path(path, index), item_path(pattern))
    else:
        yield path, pattern, data


Field = tuple[Any, str, Any]
"""The name, the pattern and the value of a property."""

Fields = tuple[list[Field], list[Field], bool]


@dataclass(slots=True)
class Properties:
    """The properties of objects, each object read once; they live as long as this does."""

    patterns: frozenset[str]
    _fields: dict[tuple[int, str], Fields] = field(default_factory=dict)
    _silent: dict[int, frozenset[Any]] = field(default_factory=dict)

    def inner(self, pattern: str, name: Any) -> str:
        """The pattern of a property of the object at this one."""
        return inner_pattern(self.patterns, pattern, str(name))

    def fields(self, truth: dict[Any, Any], pattern: str) -> Fields:
        """The properties with a plain value, and those to look into; kept for the next pair."""
        fields = self._fields.get((id(truth), pattern))
        if fields is None:
            plain, deeper, flat = list[Field](), list[Field](), True
            for name, each in truth.items():
                folded = isinstance(each, _FOLDED)
                says = not folded and not says_nothing(each)
                (plain if says else deeper).append((name, self.inner(pattern, name), each))
                flat = flat and not folded
            fields = self._fields[id(truth), pattern] = (plain, deeper, flat and bool(plain))
        return fields

    def silent(self, value: dict[Any, Any]) -> frozenset[Any]:
        """The empty properties; kept for the next pair."""
        silent = self._silent.get(id(value))
        if silent is None:
            silent = frozenset([name for name, each in value.items() if is_empty(each)])
            self._silent[id(value)] = silent
        return silent


# -- words by which a model says that a text has no value, such as "N/A" ---------------------------

_LONGEST = 80
_ALONE = """
n/a|na|n.a|none|null|nil|nan|unknown|unspecified|undefined|undisclosed|missing|no data|no value
no information|not any|tbd|no entry|blank|empty|nothing|not applicable|does not apply
not in document|none known|no answer|0000-00-00
k.a|keine angabe|keine angaben|ohne angabe|unbekannt|entfällt|keine|keiner|keines|fehlt|o.a
nicht zutreffend|keine daten|kein wert|keine information|keine informationen|unklar|nichts
aucun|aucune|néant|sans objet|inconnu|inconnue|non renseigné|n.c|s.o|n.d|nd|rien|pas de données
aucune information|aucune donnée|non communiqué|pas d'information
desconocido|desconocida|ninguno|ninguna|sin datos|sin información|sin especificar|s/d|n/d|nulo
no consta|no aplica|no procede|nada
sconosciuto|sconosciuta|nessuno|nessuna|nessun dato|nessuna informazione|ignoto|assente|nulla
nenhum|nenhuma|desconhecido|desconhecida|sem informação|sem dados|não consta|não se aplica
não aplicável|não há
geen|onbekend|n.v.t|niet van toepassing|geen gegevens|geen informatie|ontbreekt|geen opgave
brak|brak danych|brak informacji|nieznany|nieznana|nieznane|nie dotyczy|nie ma|b.d
neuvedeno|neznámý|neznámé|není uvedeno|žádný|žádná|chybí
okänd|okänt|saknas|ingen|inget|inga|ej tillämpligt|uppgift saknas
ukendt|ukjent|mangler|intet|ingen oplysninger|ingen opplysninger
tuntematon|ei tiedossa|ei mainittu|ei ilmoitettu|ei saatavilla|puuttuu
неизвестно|неизвестен|неизвестна|нет данных|нет информации|отсутствует|н/д|нет
не применимо|невідомо|немає даних|відсутнє|немає
nincs|ismeretlen|nincs megadva|nincs adat|necunoscut|nespecificat|nu se aplică
belirtilmemiş|bilinmiyor|yok|mevcut değil|άγνωστο|δεν αναφέρεται|δεν υπάρχει|κανένα
"""
_NOT = """
not|was not|is not|were not|not been|nicht|non|no|no es|no está|no se|non è|não|não foi|não está
niet|nie|není|nebylo|ej|inte|ikke|er ikke|не|nu este|pas|n'est pas|ne
"""
_FOUND = """
mentioned|specified|stated|given|provided|available|found|indicated|disclosed|listed|known
reported|recorded|defined|determined|identified|applicable
explicitly mentioned|explicitly stated|explicitly specified|explicitly provided|explicitly given
angegeben|genannt|erwähnt|bekannt|vorhanden|verfügbar|ersichtlich|enthalten|aufgeführt|spezifiziert
auffindbar|vermerkt|anwendbar|bestimmbar|definiert|ausgewiesen
mentionné|mentionnée|mentionnés|précisé|précisée|spécifié|spécifiée|disponible|renseigné|renseignée
communiqué|communiquée|indiqué|indiquée|applicable|connu|connue|fourni|fournie|trouvé|trouvée
especificado|especificada|mencionado|mencionada|disponible|indicado|indicada|aplicable|encontrado
encontrada|proporcionado|proporcionada|informado|informada|menciona|indica|especifica|consta
specificato|specificata|menzionato|menzionata|disponibile|indicato|indicata|applicabile|presente
noto|nota|fornito|fornita|riportato|riportata|trovato|trovata
disponível|informado|aplicável|fornecido|fornecida|indicado|especificado
vermeld|gespecificeerd|opgegeven|bekend|beschikbaar|genoemd|gevonden|ingevuld|aangegeven
podano|dotyczy|określono|wskazano|wymieniono|podany|podana|podane|znaleziono|określony
uvedeno|uveden|uvedena|známo|k dispozici
angivet|angiven|angivna|tillämpligt|känt|nämnt|nämns|specificerat|oppgitt|nævnt|nevnt|tilgængelig
tilgjengelig|relevant|spesifisert|kendt|kjent|oplyst|opplyst|specificeret
указано|указан|указана|указаны|упомянуто|упоминается|найдено|определено|известно|применимо|вказано
specificat|menționat|disponibil|precizat
"""
_PLACES = """
in|on|by|within|from|im|in der|in dem|aus|dans|en|nel|nella|no|na|em|het|w|v|i|в|у|à|à partir|din
"""
_NO_THING = "no|keine|kein|aucun|aucune|ninguna|ningún|nessun|nessuna|nenhum|nenhuma|geen|brak"


def _words(lines: str) -> str:
    return "|".join(re.escape(each.strip()) for each in lines.strip().replace("\n", "|").split("|"))


_HERE = (
    "(?:document|dokument|text|texte|testo|texto|tekst|документ|текст|invoice|letter|contract|source"
    "|email|report|rechnung|vertrag|schreiben|facture|contrat|factura|contrato|fattura|contratto"
    r"|passage|record|page|agreement)\w*"
)
_TAIL = rf"(?: (?:{_words(_PLACES)}) (?:\S+ ){{0,3}}{_HERE}(?: .{{1,20}})?)?"
_NONE = "none|nothing|nichts|keine|rien|nada|niente|niets|nic"
_SAYS = "say|specify|mention|state|indicate|(?:give|contain|provide) (?:any |a |the )?(?:\\S+)"
_DATA = "information|informationen|informations|info|data|details|angaben|value|donnée"
_WITH_NAME = """
mentioned|specified|stated|given|indicated|disclosed|angegeben|genannt|erwähnt|mentionné|mentionnée
précisé|précisée|indiqué|indiquée|especificado|especificada|indicado|indicada|mencionado|mencionada
specificato|specificata|indicato|indicata|menzionato|menzionata|vermeld|opgegeven|genoemd|podano
"""
_SILENT = re.compile(
    rf"(?:{_words(_ALONE)}){_TAIL}"
    rf"|(?:{_words(_NOT)}) (?:{_words(_FOUND)}){_TAIL}"
    rf"|(?:{_words(_NOT)}) (?:{_words(_PLACES)}) .{{1,40}} (?:{_words(_FOUND)})"
    rf"|(?:{_NONE}|(?:{_DATA}) (?:{_words(_NOT)})) (?:{_words(_FOUND)}){_TAIL}"
    rf"|(?:[^\W\d_]+ ){{1,3}}(?:is |was )?(?:not|nicht) (?:{_words(_WITH_NAME)}){_TAIL}"
    rf"|not (?:present|included|shown|visible|set|clear) (?:in|on|from) (?:the |this )?{_HERE}"
    rf"|(?:{_NO_THING}) (?:[^\W\d_]+ ){{1,3}}(?:{_words(_WITH_NAME)}){_TAIL}"
    rf"|(?:{_NO_THING}) (?:{_DATA}) (?:{_words(_FOUND)}){_TAIL}"
    rf"|(?:(?:the |this )?{_HERE}|it) (?:does not|doesn't|did not) (?:{_SAYS})(?: .*)?",
)
_FIRST = frozenset(
    each.split()[0]
    for lines in (_ALONE, _NOT, _NO_THING, _NONE, _DATA)
    for each in lines.strip().replace("\n", "|").split("|")
)
_INNER = re.compile(r"\b(?:not|nicht|doesn't)\b")
_MARKS = re.compile(r"\s*[-.…?/_][-.…?/_\s]*")
_AROUND = " \t\n\r.,;:!?*\"'`()[]{}<>“”„«»‘’"


def says_no_value(value: Any) -> bool:
    """Whether a value is words for nothing, in English or another large European language.

    >>> says_no_value("N/A"), says_no_value("Not specified in the document"), says_no_value("-")
    (True, True, True)
    >>> says_no_value("not covered"), says_no_value("0"), says_no_value("")
    (False, False, False)
    """
    return isinstance(value, str) and len(value) <= _LONGEST and _is_silent(value)


@lru_cache(maxsize=8192)
def _is_silent(text: str) -> bool:
    even = evened(text)
    if _MARKS.fullmatch(even):
        return True
    bare = " ".join(even.strip(_AROUND).casefold().replace(". ", ".").split())
    first, _, rest = bare.partition(" ")
    # The first word decides for most texts: no pattern is tried on them.
    if first not in _FIRST and not _INNER.search(rest):
        return False
    return _SILENT.fullmatch(bare) is not None
