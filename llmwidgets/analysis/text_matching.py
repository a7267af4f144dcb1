"""Text matching: whether two texts are nearly the same, and whether they mean the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

from llmwidgets.analysis.normalize import plain
from llmwidgets.analysis.scripts import common_prefix, is_unspaced, joined

_AT_ONCE = 1_000_000_000
"""Two texts with more pairs of characters than this are compared in pieces: 20 ms at most."""

_PIECE = 50_000_000
_MOST = 60_000_000_000
_ANCHOR = 32
_TRIED = 16


def digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))


@dataclass(frozen=True)
class _Form:
    text: str

    @cached_property
    def digits(self) -> str:
        return digits(self.text)

    @cached_property
    def plain(self) -> str:
        return plain(self.text)

    @cached_property
    def letters(self) -> Counter[str]:
        return Counter(self.plain)


@dataclass(slots=True)
class TextSimilarity:
    """Compares texts; `unsure` once it could not decide whether two of them are alike.

    Each text is read once. Long texts are compared in pieces: they are alike if enough is found
    in common, and not alike if lengths or letters rule it out. Otherwise they count as not alike,
    and `unsure` is set.
    """

    unsure: bool = False
    _spent: float = 0.0
    _forms: dict[str, _Form] = field(default_factory=dict)

    def alike(self, one: str, other: str, amount: float) -> bool:
        """Whether their similarity, 0 to 1, is `amount` or more; never if any digit differs."""
        a = self._forms.setdefault(one, _Form(one))
        b = self._forms.setdefault(other, _Form(other))
        if a.digits != b.digits:
            return amount <= 0
        # Of two lengths, twice what is in common is the part that is alike.
        wanted = amount * (len(a.plain) + len(b.plain)) / 2
        if min(len(a.plain), len(b.plain)) < wanted:
            return False
        pairs = len(a.plain) * len(b.plain)
        if pairs <= _AT_ONCE and self._spent + pairs <= _MOST:
            from rapidfuzz import fuzz

            self._spent += pairs
            ratio = fuzz.ratio(a.plain, b.plain, score_cutoff=100 * amount - 1e-6)
            return float(ratio) / 100 >= amount
        if (a.letters & b.letters).total() < wanted:
            return False
        if self._common(a.plain, b.plain) >= wanted:
            return True
        self.unsure = True
        return False

    def _common(self, one: str, other: str) -> int:
        """At least this many letters are in common, in their order."""
        from rapidfuzz.distance import LCSseq

        common = 0
        waiting = [(one, other)]
        while waiting:
            a, b = waiting.pop()
            ahead = common_prefix(a, b)
            a, b = a[ahead:], b[ahead:]
            behind = common_prefix(a[::-1], b[::-1])
            a, b = a[: len(a) - behind], b[: len(b) - behind]
            common += ahead + behind
            pairs = len(a) * len(b)
            if not pairs or self._spent > _MOST:
                continue
            self._spent += min(pairs, _PIECE)
            if pairs <= _PIECE:
                common += int(LCSseq.similarity(a, b))
            else:
                i, j = _anchor(a, b)
                waiting += [(a[:i], b[:j]), (a[i:], b[j:])]
        return common


def _anchor(one: str, other: str) -> tuple[int, int]:
    """Where both are cut: at a passage that occurs once in the other, else halfway."""
    for tried in range(_TRIED):
        aside = (tried + 1) // 2 * (1 if tried % 2 else -1) * _ANCHOR
        at = min(max(0, len(one) // 2 + aside), max(0, len(one) - _ANCHOR))
        passage = one[at : at + _ANCHOR]
        place = other.find(passage)
        if place >= 0 and other.find(passage, place + 1) < 0 and (at > 0 or place > 0):
            return at, place
    return len(one) // 2, len(other) // 2


# -- words that reverse a sentence, and words that do not matter -----------------------------------

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


# -- whether a passage says what a value says ------------------------------------------------------

_WORD = re.compile(r"[^\W_]+?(?=n['’]t\b)|n['’]t\b|[^\W_]+")
_CHUNK = re.compile(r"\S+")
_WHOLE = re.compile(r"[^\W_][@._/\\:]+[^\W_]")
"""What an address or a path has and a sentence does not: a mark between two letters."""

_ENDS = re.compile("[.!?;:。！？]")
_SHORTENED = {"ca": "can", "wo": "will", "sha": "shall"}
_NOT = ("n't", "n’t")
_SHOUTED, _LONGEST_NAME, _MARGIN, _LONG_NUMBER, _LONG_WORD = 4, 6, 24, 7, 9
_ADDED = frozenset(("s", "es", "e", "n", "en", "d", "ed", "em"))
_CHANGED = frozenset(("s", "es", "d", "ed", "ing"))


class _Word(NamedTuple):
    """A word of a text, or a letter if the script writes no spaces.

    A `strict` one is the same or another: an identifier, a number, part of an address, and words
    of scripts without capitals, where a name looks like any word.
    """

    plain: str
    start: int
    end: int
    strict: bool
    capital: bool


@lru_cache(maxsize=4096)
def is_name(value: str) -> bool:
    """Whether a value is a name or a single term: capitals, no number, and few words.

    >>> is_name("Maria van den Berg"), is_name("The roof was damaged")
    (True, False)
    """
    words = _words(value)
    return 0 < len(words) <= _LONGEST_NAME and all(
        (word.capital or word.plain in SMALL_WORDS or word.strict) and not digits(word.plain)
        for word in words
    )


@lru_cache(maxsize=4096)
def is_fixed(value: str) -> bool:
    """Whether no word of a value can be written in another way: identifiers, addresses, numbers."""
    return all(word.strict for word in _words(value))


def passage_of(value: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where near a place a text means what a value means, in nearly the same words.

    Words may be inflected or have a letter wrong, small words may come and go, and the value may
    leave words out. It never adds one that matters, differs in a digit or an identifier, or denies
    what the text does not deny; and a name is the same name.

    >>> passage_of("the roof of the garage", "So the roof of the garge fell.", 3, 24)
    (3, 24)
    >>> passage_of("we do accept it", "we do not accept it", 0, 19) is None
    True
    """
    wanted, near = _words(value), _words_near(text, start, end)
    first = next((at for at, word in enumerate(near) if word.end > start), len(near))
    last = next((at for at, word in enumerate(near) if word.start >= end), len(near))
    steps = _steps(wanted, near[first:last])
    if not steps:
        return None
    # The place is rough: words missing at an end may be just beyond it.
    before = min(first, max(0, steps[0].lacks))
    after = min(len(near) - last, max(0, steps[-1].lacks))
    if before or after:
        first, last = first - before, last + after
        steps = _steps(wanted, near[first:last])
    if steps[0].tag == "insert":
        first += len(steps.pop(0).theirs)
    if steps and steps[-1].tag == "insert":
        last -= len(steps.pop().theirs)
    passage = near[first:last]
    if (
        not passage
        or _denied(text, near[:first], passage[0].start)
        or _denials(wanted) != _denials(passage)
    ):
        return None
    allowed = _same_name if is_name(value) else _same_sentence
    if not all(step.tag == "equal" or allowed(step, wanted[0]) for step in steps):
        return None
    return passage[0].start, passage[-1].end


def is_denied(value: str, text: str, start: int) -> bool:
    """Whether a sentence is denied by the word just before it: "Not all ..."."""
    before = [word for word in _words_near(text, start, start) if word.end <= start]
    return value.count(" ") >= _SHOUTED - 1 and _denied(text, before, start)


@dataclass(frozen=True, slots=True)
class _Step:
    """How a value changes some words: `tag` is equal, insert, delete or replace."""

    tag: str
    ours: Sequence[_Word]
    theirs: Sequence[_Word]

    @property
    def lacks(self) -> int:
        """How many words of the value do not occur here."""
        return 0 if self.tag == "equal" else len(self.ours) - len(self.theirs)


def _steps(wanted: Sequence[_Word], passage: Sequence[_Word]) -> list[_Step]:
    from rapidfuzz.distance import Levenshtein

    steps = Levenshtein.opcodes([each.plain for each in wanted], [each.plain for each in passage])
    return [
        _Step(each.tag, wanted[each.src_start : each.src_end],
              passage[each.dest_start : each.dest_end])
        for each in steps
    ]  # fmt: skip


def _same_name(step: _Step, _: _Word) -> bool:
    """An initial in the middle may be left out; nothing else."""
    return not step.ours and all(len(word.plain) == 1 and word.capital for word in step.theirs)


def _same_sentence(step: _Step, opening: _Word) -> bool:
    ours, theirs = step.ours, step.theirs
    if (whole := _joined_up(ours)) == _joined_up(theirs):
        # A long number may be written in groups; "1, 23" is never "12, 3".
        return not 0 < len(digits(whole)) < _LONG_NUMBER
    if not theirs:
        return all(word.plain in SMALL_WORDS for word in ours)
    if not ours:
        return not any(word.strict and word.plain not in SMALL_WORDS for word in theirs)
    if len(ours) != len(theirs):
        ours = [word for word in ours if word.plain not in SMALL_WORDS]
        theirs = [word for word in theirs if word.plain not in SMALL_WORDS]
    return len(ours) == len(theirs) and all(
        _same_word(one, other, one is opening) for one, other in zip(ours, theirs, strict=True)
    )


def _same_word(one: _Word, other: _Word, opens: bool) -> bool:
    """Whether two words differ in their ending, or by one wrong letter inside."""
    if one.plain == other.plain or {one.plain, other.plain} <= SMALL_WORDS:
        return True
    if one.strict or other.strict:
        return False
    capital = one.capital and other.capital and not opens
    a, b = one.plain, other.plain
    ahead = common_prefix(a, b)
    rests = {a[ahead:], b[ahead:]}
    added = "" in rests and rests - {""} <= _ADDED
    if ahead >= 4 and not capital and (added or rests <= _CHANGED):
        return True
    behind = common_prefix(a[ahead:][::-1], b[ahead:][::-1])
    left = (len(a) - ahead - behind, len(b) - ahead - behind)
    swapped = left == (2, 2) and a[ahead : ahead + 2] == b[ahead : ahead + 2][::-1]
    doubled = not capital and sorted(left) == [0, 2] and min(len(a), len(b)) >= _LONG_WORD
    if ahead < 2 or behind < 1 or not (max(left) == 1 or swapped or doubled):
        return False
    # A capital may begin a name, where one letter makes another person; German nouns have it too.
    if capital and len(a) == len(b):
        return len(a) >= 8 and behind >= 2
    return max(len(a), len(b)) >= (6 if capital else 5)


def _joined_up(words: Sequence[_Word]) -> str:
    return "".join(word.plain for word in words)


def _denials(words: Sequence[_Word]) -> int:
    return sum(word.plain in DENIALS for word in words)


def _denied(text: str, before: Sequence[_Word], start: int) -> bool:
    """Whether the word just before a passage, in its sentence, denies it."""
    if not before or before[-1].plain not in DENIALS:
        return False
    return not _ENDS.search(text, before[-1].end, start)


def _words_near(text: str, start: int, end: int) -> list[_Word]:
    margin = _MARGIN + (end - start) // 4
    low, high = max(0, start - margin), min(len(text), end + margin)
    words = _words(text[low:high], low)
    return words[joined(text, low) : len(words) - joined(text, high)]


def _words(text: str, start: int = 0) -> list[_Word]:
    shouted = not any(map(str.islower, text)) and text.count(" ") >= _SHOUTED - 1
    words: list[_Word] = []
    for chunk in _CHUNK.finditer(text):
        word = chunk.group()
        whole = not word.isalpha() and _WHOLE.search(word) is not None
        for match in _WORD.finditer(text, chunk.start(), chunk.end()):
            words += _read(text, match, start, shouted, whole)
    return words


def _read(text: str, match: re.Match[str], start: int, shouted: bool, whole: bool) -> list[_Word]:
    word, at = match.group(), start + match.start()
    if not word.isascii() and any(map(is_unspaced, word)):
        return [_Word(plain(each), at + n, at + n + 1, True, False) for n, each in enumerate(word)]
    folded = word.lower() if word.isascii() else plain(word)
    if "'" in word or "’" in word:
        folded = "not"
    elif folded in _SHORTENED and text[match.end() : match.end() + 3].casefold() in _NOT:
        folded = _SHORTENED[folded]
    named = len(word) > 1 and word.isupper() and not shouted
    strict = whole or named or not word.isalpha() or word.upper() == word.lower()
    return [_Word(folded, at, start + match.end(), strict, word[0].isupper() and not shouted)]
