"""Plain text: a text without what carries no meaning, and where each of its characters stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import compress

from llmwidgets.analysis.letters import evened, folded, with_mark
from llmwidgets.analysis.numbers import digits_in

_WORDS = re.compile(r"[A-Za-z \n]*+(?:[0-9]++(?:\.[0-9]{1,2})?+)?+")
_NO_MATTER = re.compile("[^A-Za-z0-9]+")
_TOKENS = re.compile(
    r"(?P<number>[0-9]++(?:[.,'\u00a0\u2009\u202f][0-9]++)*+)|(?P<word>[^\W0-9_]++)"
)
_EASY = re.compile(
    r"[A-Za-z](?:[A-Za-z \"&'()*,./:;?@\[\]_{}`\n\t]+|-(?<=[A-Za-z]-)(?=[A-Za-z])"
    r"|[0-9]++(?=[,.;:)]? [A-FH-JLN-OQ-SU-Za-jl-z]))*+"
)
"""Words, numbers and marks between them that say nothing, up to the next that may say something."""

_ASCII = re.compile(r"(?<![!-~])[!-\-0-?A-\[\]-~]*+[.@/\\][!-~]*")
_AROUND = "<>()[]{}\"'.,;:!?"
_PREFIXED = {"M": "W Wh Wp V VA A Hz Pa J N eV Bq F Ω Ω", "P": "W Wh Hz J eV F Bq"}
_CASED = {
    **{f"{prefix}{unit}": f"{prefix}{unit.lower()}"
       for prefix, units in _PREFIXED.items() for unit in units.split()},
    **{f"{prefix}b": f"{prefix.lower()}bit" for prefix in "kKMGTP"},
}  # fmt: skip
"""Units after a number whose case says how much: MW is a billion mW, Mb are bits, MB bytes."""

_TELLS = re.compile(
    r"[0-9][^A-Za-z0-9]+[0-9]|[$%#+<>=~^|@`\\]|!=|://|-(?=[0-9.$])|-(?![A-Za-z0-9])"
    rf"|[A-Za-z0-9]\.[A-Za-z]{{2}}|(?<!\S)/|[0-9]\s*(?:{'|'.join(_CASED)})(?![A-Za-z])"
)
"""What a text of ASCII has in it where a mark may carry meaning."""

_GRADE = re.compile(r"[A-Za-z]{1,3}|[A-Z]{1,4}|[A-Za-z]{0,3}[0-9]{1,3}")
_OPENS = "([{<=>~/:"


def shortly(text: str) -> str | None:
    """The plain text where that is easy: only letters, digits and what does not matter."""
    if _WORDS.fullmatch(text):
        return "".join(text.split()).lower()
    if text.isascii() and not _TELLS.search(text):
        return _NO_MATTER.sub("", text).lower()
    return None


def plain_with_offsets(text: str) -> tuple[str, list[int]]:
    """The plain text and, for each of its characters, where it stands in the original."""
    return _Plain(evened(text)).read()


@dataclass(slots=True)
class _Plain:
    """A text on its way to a plain one; `text` is as long as the original."""

    text: str
    kept: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def read(self) -> tuple[str, list[int]]:
        at, number = 0, False
        for start, end in [*_addresses(self.text), (len(self.text), len(self.text))]:
            while found := _TOKENS.search(self.text, at, start):
                self._gap(at, found.start())
                easy = _EASY.match(self.text, found.start(), start)
                if easy and not (number and found.group() in _CASED):
                    self._letters(easy.start(), easy.group())
                    at, number = easy.end(), False
                    continue
                blank = number and not self.text[at : found.start()].strip(" \u00a0\u202f")
                at, number = found.end(), found.lastgroup == "number"
                if number:
                    self._number(found.start(), found.group())
                else:
                    self._word(found.start(), found.group(), after_number=blank)
            self._gap(at, start)
            at, number = max(at, end), False
            self._say(self.text[start:end].casefold(), start)
        return "".join(self.kept), self.offsets

    def _say(self, kept: str, start: int, step: int = 1) -> None:
        """Keep these characters, which stand from here on, or all of them here (`step` 0)."""
        if kept:
            self.kept.append(kept)
            size = len(kept)
            self.offsets += range(start, start + size) if step else [start] * size

    def _letters(self, start: int, easy: str) -> None:
        self.kept.append(_NO_MATTER.sub("", easy).lower())
        places = range(start, start + len(easy))
        self.offsets += compress(places, map(str.isalnum, easy))

    @property
    def _last(self) -> str:
        return self.kept[-1][-1] if self.kept else ""

    # -- numbers and words -----------------------------------------------------------------------

    def _number(self, start: int, body: str) -> None:
        if start and self._last.isdecimal() and self.text[start - 1].isalnum():
            self._say(" ", start)
        if body.isdecimal():
            self._say(body, start)
            return
        spelled = digits_in(body)
        if spelled is None:
            mark = ", " if body.count(",") > 1 else "."
            for at, each in enumerate(body, start):
                self._say({",": mark}.get(each, " " if each.isspace() else each), at, 0)
            return
        point = len(body) - len(spelled.partition(".")[2]) - 1 if "." in spelled else -1
        self.kept.append(spelled)
        self.offsets += [
            start + at for at, each in enumerate(body) if at == point or each.isdecimal()
        ]

    def _word(self, start: int, word: str, *, after_number: bool) -> None:
        if after_number and (unit := _CASED.get(word)):
            self._say(unit[:1], start)
            self._say(unit[1:], start + 1, 0)
        elif word.isascii():
            self._say(word.lower(), start)
        else:
            for at, each in enumerate(word, start):
                if unicodedata.category(each) == "No":
                    self._figure(each, at)
                elif "\u3099" <= (mark := _sound_mark(each)) <= "\u309a" or _is_vowel(each):
                    self._mark(mark, at)
                else:
                    self._say(folded(each), at, 0)

    def _figure(self, each: str, at: int) -> None:
        """A raised digit, a fraction or a number in a circle, not joined to the digit before."""
        decomposed = unicodedata.decomposition(each)
        figure = unicodedata.normalize("NFKC", each).replace("\u2044", "/")
        raised = decomposed.startswith("<super>")
        before = self.text[at - 1 : at] if at else ""
        inside = before and unicodedata.category(before) == "No"
        if self._last.isdecimal() and not (inside and raised):
            figure = ("^" if raised else " ") + figure
        self._say(figure, at, 0)

    def _mark(self, mark: str, at: int) -> None:
        base = self._last
        whole = with_mark(base, mark)
        if whole == base:
            return
        if whole.startswith(base):
            self._say(whole[len(base) :], at, 0)
        else:
            self.kept[-1] = self.kept[-1][:-1]
            start = self.offsets.pop()
            self._say(whole, start, 0)

    # -- what stands between them ----------------------------------------------------------------

    def _gap(self, start: int, end: int) -> None:
        if start == end:
            return
        text = self.text
        digits = start and text[start - 1].isalnum() and self._last.isdecimal()
        if digits and text[end : end + 1].isdecimal():
            self._between(text[start:end], start)
            return
        for at in range(start, end):
            each = text[at]
            if each == " " or each in "\"&'()*,./:;?@[]_{}`\n\t":
                continue
            kind = unicodedata.category(each)[0]
            if kind == "M":
                self._mark(each, at)
            elif self._tells(each, kind, at):
                self._say(folded(each) if kind == "S" else each, at, 0)

    def _between(self, gap: str, start: int) -> None:
        """What stands between two digits always matters."""
        seen = [each for each in gap if each.isascii() or unicodedata.category(each) != "Cf"]
        marks = "".join(folded(each) if _is_symbol(each) else each
                        for each in seen if not each.isspace())  # fmt: skip
        bare = marks.translate(_NO_QUOTES) or marks
        if not bare:
            self._say(" " if seen else "", start, 0)
        elif bare in {",", "."}:
            self._say(f"{bare} " if len(gap) > 1 else bare, start, 0)
        else:
            self._say(bare, start, 0)

    def _tells(self, each: str, kind: str, at: int) -> bool:
        """Whether a mark that stands between no two digits carries meaning."""
        before, after = self.text[at - 1 : at] if at else "", self.text[at + 1 : at + 2]
        if each == "-":
            return self._is_minus(before, at) or self._is_grade(before, at)
        if each == "+":
            return bool(self.kept) or not after.isdecimal()
        if each == "#":
            return before.isalnum() or before in {"#", "+"}
        if each == "!":
            return after == "="
        return each in "%‰" or (kind == "S" and each not in "™®℠©")

    def _is_minus(self, before: str, at: int) -> bool:
        ahead = self.text[at + 1 : at + 3].lstrip(".$€£¥₹")
        alone = not before or before.isspace() or before in _OPENS or _is_symbol(before)
        return alone and ahead[:1].isnumeric()

    def _is_grade(self, before: str, at: int) -> bool:
        """A minus behind a short word or number and before no other: BBB-, O-, 1,200-."""
        if not before.isalnum() or self.text[at + 1 : at + 2].isalnum():
            return False
        if self.text[at + 1 : at + 2] in {"\n", "\r"} and self.text[at + 2 : at + 4].strip():
            return False
        start = at
        while start and at - start < 5 and self.text[start - 1].isalnum():
            start -= 1
        return _GRADE.fullmatch(self.text, start, at) is not None


_NO_QUOTES = {ord(each): None for each in '"“”„«»'}


def _is_symbol(each: str) -> bool:
    return not each.isascii() and unicodedata.category(each)[0] == "S"


def _sound_mark(each: str) -> str:
    """The combining form of a half-width mark of Japanese."""
    return {"\uff9e": "\u3099", "\uff9f": "\u309a"}.get(each, each)


def _is_vowel(each: str) -> bool:
    """Whether a letter of Korean written in parts joins the one before."""
    return "\u1160" <= each <= "\u11ff"


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses of mail, web and files stand, in which every mark counts."""
    if not ("." in text or "@" in text or "\\" in text or "/" in text):
        return
    for found in _ASCII.finditer(text):
        chunk = found.group()
        bare = chunk.lstrip(_AROUND)
        start = found.start() + len(chunk) - len(bare)
        bare = bare.rstrip(_AROUND + "/")
        if len(bare) > 2 and _is_address(bare):
            yield start, start + len(bare)


def _is_address(bare: str) -> bool:
    if "@" in bare:
        name, _, host = bare.rpartition("@")
        return name[-1:].isalnum() and host[:1].isalnum()
    if "://" in bare:
        return True
    if "\\" in bare:
        return bare.strip("\\") != "" and bare[-1:].isalnum()
    if bare.startswith("/"):
        return "/" in bare[1:]
    host = bare.partition("/")[0].partition("(")[0]
    name, _, last = host.rpartition(".")
    if not (name[-1:].isalnum() and len(last) > 1 and last.isalpha()):
        return False
    return last.islower() or last.casefold() in _ENDINGS


_NAMES_OF_HOSTS = """
com org net edu gov info biz io eu de fr uk us ch at it es nl be pl se no dk fi cz ru cn jp in br au
ca pdf txt csv doc docx xls xlsx jpg jpeg png zip html xml json
"""
_ENDINGS = frozenset(_NAMES_OF_HOSTS.split())
