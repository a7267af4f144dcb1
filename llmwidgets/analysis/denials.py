"""Denials and small words, by language: what turns a sentence round, and what does not matter."""

from __future__ import annotations

from llmwidgets.analysis.normalize import plain

_DENIALS = """
    not n't no never none nobody nothing neither nor without except unless cannot only hardly barely
    nicht kein keine keinen keinem keiner keines keinerlei nie niemals ohne weder nichts niemand
    nirgends außer nur kaum
    pas jamais rien aucun aucune sans guère sauf plus personne seulement
    nunca jamás ningún ninguna ninguno nada nadie sin tampoco ni salvo excepto solo sólo
    non mai nessun nessuno nessuna niente nulla senza mica tranne né
    não nem nenhum nenhuma ninguém sem exceto
    niet geen nooit niemand niets zonder noch behalve alleen
    nie nigdy nikt nic żaden żadna żadne bez ani tylko oprócz
    ne není nikdy nikdo žádný žádná žádné pouze jen kromě
    inte ej icke aldrig ingen inget inga utan utom endast bara ikke aldri intet uden uten kun bare
    ei eivät älä ilman nem nincs sem soha nélkül nu niciodată fără doar değil yok hiç asla
    не нет ни никогда без ничего никто нельзя кроме только немає ні δεν μην όχι χωρίς
    لا ليس ليست لم لن غير بدون לא אין בלי אל नहीं न मत बिना
    안 못 아닌 아니 없이 không chưa chẳng tidak bukan tanpa belum jangan
"""
_SMALL = """
    a an the of in on at by is are was were be been has have had it its this that which who and
    der die das den dem des ein eine einen einem einer eines ist war wurde wurden hat haben im am
    zu zum zur von vom und es sich
    le la les l un une des du de d au aux en que qui est a et n ce
    el los las una del al y e lo il i gli uno di della dei delle dal che è ed
    o os as um uma do da dos das à ao é het een van te en is w z na i do się jest v ve s se je
    ett det av på att är og och af er
"""

DENIALS = frozenset(plain(word) for word in _DENIALS.split())
"""Words of which a sentence must have as many as its source: not, kein, pas, no, only, without."""

SMALL_WORDS = frozenset(plain(word) for word in _SMALL.split()) - DENIALS
"""Words that may come and go: articles, short prepositions, forms of to be."""
