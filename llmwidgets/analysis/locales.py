"""Locales: which mark a text writes before decimals, judged by its own numbers and words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_LOOKED_AT = 50_000
_SURE, _HINT = 3, 1
_LETTERS = re.compile(r"[^\W\d_]+")
_GROUPED = re.compile(r"\d{1,3}([.,])\d{3}(?:\1\d{3})+|\d{1,2},\d\d(?:,\d\d)*,\d{3}")
_POINT = """
    the of and to is for with by at from this that which are was has have will be total due
    amount invoice your our we you it between an on not
"""
_COMMA = """
    der das und ist mit für von den dem ein eine einen im am zum zur auf nicht sind hat wird
    wurde die betrag preis gesamt summe rechnung zzgl inkl stück einwohner le les des du et est
    pour avec dans une un sur au aux par sont prix montant facture habitants el los las y con
    por para del una es son importe precio factura il della che per gli sono importo prezzo
    fattura os do da dos com uma não são valor preço fatura het een van voor met bij zijn bedrag
    prijs totaal factuur na jest się dla nie kwota cena je pro částka och att är för på ett som
    belopp pris og til ikke beløb beløp ve için toplam tutar fiyat yang dan untuk jumlah harga
    dengan và của là cho hinta summa yhteensä és egy hogy ár összesen și cu pentru suma
"""
_POINT_WORDS, _COMMA_WORDS = frozenset(_POINT.split()), frozenset(_COMMA.split())
_BY_SCRIPT = re.compile(
    "(?P<comma>[\u0370-\u03ff\u0400-\u04ff])"
    "|(?P<point>[\u0590-\u06ff\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u9fff\uac00-\ud7a3])"
)


def decimal_mark(text: str, bodies: Iterable[str]) -> str:
    """The mark before decimals in a text: a point, a comma, or "" where nothing tells.

    `bodies` are its numbers, as digits with marks in between. Numbers that can be read in one way
    only tell most, then the words.

    >>> decimal_mark("Preis der Ware: 1.480", ["1.480"])
    ','
    """
    votes = Counter[str]()
    for body in bodies:
        mark, weight = _vote(body)
        votes[mark] += weight
    point, comma = votes["."], votes[","]
    if max(point, comma) >= 3 * min(point, comma) and point != comma:
        return "." if point > comma else ","
    return _by_words(text[:_LOOKED_AT])


def _vote(body: str) -> tuple[str, int]:
    point, comma = body.rfind("."), body.rfind(",")
    if point < 0 and comma < 0:
        return "", 0
    if point >= 0 and comma >= 0:
        return ("." if point > comma else ","), _SURE
    if _GROUPED.fullmatch(body):
        return ("," if point > 0 else "."), _SURE
    mark = "." if point >= 0 else ","
    once = body.count(mark) == 1 and len(body) - body.rfind(mark) - 1 in (1, 2)
    return (mark, _HINT) if once else ("", 0)


def _by_words(text: str) -> str:
    votes = Counter(found.lastgroup for found in _BY_SCRIPT.finditer(text))
    latin = 0
    for found in _LETTERS.finditer(text.casefold()):
        word = found.group()
        latin += len(word) if word[0] < "\u0250" else 0
        votes["point"] += 4 * (word in _POINT_WORDS)
        votes["comma"] += 4 * (word in _COMMA_WORDS)
    if votes["point"] == votes["comma"]:
        return ""
    return "." if votes["point"] > votes["comma"] else ","
