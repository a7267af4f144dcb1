"""Kinds of error: what a wrong value is in place of the truth, by the first kind that fits.

Every rule is linear in the lengths of the values, and only looks at those that are not too long.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from llmwidgets.analysis.comparators import same_yes
from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import leaves_of
from llmwidgets.analysis.normalize import Parsed, parse_value
from llmwidgets.analysis.parsing import Number, number_meant
from llmwidgets.analysis.scoring import Cell
from llmwidgets.analysis.scripts import evened, folded
from llmwidgets.schemas import Leaf

ErrorKind = Literal[
    "format", "unit", "sign", "other row", "cut", "too much", "other entity", "misread",
    "other choice", "invented", "null in words", "missed", "failed", "other",
]  # fmt: skip
ERROR_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)
"""The kinds, in the order in which they are tried."""

_BY_STATE: dict[str, ErrorKind] = {
    "missing": "missed", "invented": "invented", "null in words": "null in words",
    "failed": "failed",
}  # fmt: skip
_LONG = 20_000
"""Of a value that is longer nothing is said."""

_SHORT = 2_000
"""Up to this length a value is looked for inside the other, as in a text."""


@dataclass(frozen=True)
class RecordTruth:
    """What a wrong value of one text may be taken from: the truth of its cells, and the text.

    `in_text` says whether a value is in the text, for a leaf's pattern.
    """

    cells: Iterable[Cell]
    in_text: Callable[[Any, str], bool] | None = None

    @cached_property
    def patterns(self) -> Mapping[Hashable, set[str]]:
        """The fields whose truth each value is."""
        found: dict[Hashable, set[str]] = {}
        for cell in self.cells:
            if (key := _key(cell.truth)) is not None:
                found.setdefault(key, set()).add(cell.pattern)
        return found


def kind_of_error(cell: Cell, record: RecordTruth, leaf: Leaf | None = None) -> ErrorKind:
    """Why a cell that is not right is wrong. Never fails, whatever the values are.

    >>> cell = Cell("total", "total", 18.2, 18200, "differ", False)
    >>> kind_of_error(cell, RecordTruth([cell]))
    'unit'
    """
    if cell.state in _BY_STATE:
        return _BY_STATE[cell.state]
    truth, value = _Side(_flat(cell.truth)), _Side(_flat(cell.value))
    if max(len(truth.text), len(value.text)) > _LONG:
        return "other"
    if leaf is not None and _is_choice(value, leaf):
        return _first((_FORMAT, _SIGN), truth, value) or "other choice"
    if kind := _first((_FORMAT, _UNIT, _SIGN), truth, value):
        return kind
    key = _key(value.given)
    holders = record.patterns.get(key, set()) if key is not None else set()
    if cell.pattern in holders and "[]" in cell.pattern:
        return "other row"
    if kind := _first((_CUT, _TOO_MUCH), truth, value):
        return kind
    if _is_elsewhere(value, cell.pattern, holders, record):
        return "other entity"
    return "misread" if _is_misread(truth, value) else "other"


def _first(rules: Iterable[_Rule], truth: _Side, value: _Side) -> ErrorKind | None:
    return next((kind for kind, fits in rules if fits(truth, value)), None)


def _is_choice(value: _Side, leaf: Leaf) -> bool:
    """Whether a value is one of a few to choose from, however it is written."""
    if leaf.type == "boolean":
        return any(_is_format(_Side(each), value) for each in (True, False))
    return any(_Side(each).loose == value.loose for each in leaf.values or ())


def _flat(value: Any) -> Any:
    """A scalar; what has parts as the text of its parts, since a list may be written as one."""
    if not isinstance(value, list | tuple | dict):
        return value
    parts = [each for _, _, each in leaves_of(None, value)]
    return parts[0] if len(parts) == 1 else ", ".join(map(str, parts))


@lru_cache(maxsize=8192)
def _key_of_text(text: str) -> Hashable:
    parsed = parse_value(text)
    if parsed.number is not None:
        return parsed.number.value.normalize()
    if parsed.days:
        return tuple(each.at for each in parsed.days)
    return parsed.text


def _key(value: Any) -> Hashable:
    """What two writings of one value have in common; None where a value tells nothing."""
    if isinstance(value, str):
        return _key_of_text(value) if 0 < len(value) <= _LONG else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = parse_value(value).number
    return number.value.normalize() if number is not None and number.value.is_finite() else None


_FEW = 2


def _is_elsewhere(value: _Side, pattern: str, holders: set[str], record: RecordTruth) -> bool:
    """Whether the value is the truth of another field, or is in the text."""
    # Numbers of one or two figures are the same by chance too often to tell.
    figures = _FEW + 1 if value.number is None else len(_figures(value.number))
    if figures > _FEW and holders - {pattern}:
        return True
    return figures > 1 and record.in_text is not None and record.in_text(value.given, pattern)


# -- one truth and one value -----------------------------------------------------------------------


@dataclass(frozen=True)
class _Side:
    """The truth or the value, in each way that it is looked at; read when first asked for."""

    given: Any

    @cached_property
    def text(self) -> str:
        if isinstance(self.given, str):
            return self.given
        return self.parsed.written.removesuffix(".0")

    @cached_property
    def parsed(self) -> Parsed:
        return parse_value(self.given)

    @cached_property
    def number(self) -> Number | None:
        """The number and its unit, also where the rules compare the text as one."""
        number = _meant(self.given) if isinstance(self.given, str) else self.parsed.number
        return number if number is not None and number.value.is_finite() else None

    @cached_property
    def days(self) -> list[datetime]:
        return [each.at for each in self.parsed.days] if isinstance(self.given, str) else []

    @cached_property
    def clock(self) -> time | None:
        return self.parsed.clock

    @cached_property
    def loose(self) -> str:
        """Letters, digits and symbols alone, in no case."""
        if self.text.isascii():
            return _NO_MATTER.sub("", self.text).lower()
        return "".join(_loose(self.text))

    @cached_property
    def words(self) -> list[str]:
        return _WORD.findall(_folded(self.text))

    @cached_property
    def numerals(self) -> list[str]:
        return _DIGITS.findall(_SPACED.sub(r"\1", evened(self.text)))

    @cached_property
    def minus(self) -> int:
        """How many marks are a minus, not a hyphen."""
        return len(_MINUS.findall(evened(self.text)))

    def holds(self, other: _Side) -> bool:
        """Whether the other one is in it, as a value is in a text."""
        if not isinstance(self.given, str) or max(len(self.text), len(other.text)) > _SHORT:
            return False
        if _subsequent(other.words, self.words):
            return True
        # What is in it has its letters in it; a day may be written in other ones.
        if other.loose not in self.loose and not other.days:
            return False
        return ground(other.given, SourceText(self.text)).kind in {"exact", "normalised"}


_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"\d+")
_SPACED = re.compile(r"(?<!\d)(\d)\s(?=\d(?!\d))")
_MINUS = re.compile(r"(?<![^\W_])-(?=\s?[\d.$€£¥₹])|(?<=[^\W_])-(?=\s*$)")
_ADDRESS = re.compile(r"@|://|\w\.[^\W\d_]{2}")
_LONG_VOWEL = re.compile("(?<![\u3040-\u30ff\uff66-\uff9f])[\u30fc\uff70]")
_NO_MATTER = re.compile(r"[^0-9A-Za-z$+<=>^`|~%#*]+")
_KEPT = frozenset("%‰#*")
_DROPPED = frozenset("™®℠©")


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join(map(folded, unicodedata.normalize("NFC", evened(text))))


def _loose(text: str) -> Iterator[str]:
    """A text without its blanks and its punctuation, letter by letter."""
    # The sign of a degree is typed as the raised o; a dash as the mark of a long vowel.
    for each in _LONG_VOWEL.sub("-", evened(text).replace("º", "°")):
        if each in _KEPT or (unicodedata.category(each)[0] in "LNMS" and each not in _DROPPED):
            yield folded(each)


_meant = lru_cache(maxsize=8192)(number_meant)
"""The same truth is read again for every variant."""


def _subsequent(part: list[str], whole: list[str]) -> bool:
    """Whether all words of a part are in the whole in their order, and not all of the whole."""
    rest, said = iter(whole), "".join(part)
    telling = len(said) > 1 or said.isdigit() or not said.isascii()
    return bool(telling and said) and len(part) < len(whole) and all(each in rest for each in part)


def _figures(number: Number) -> str:
    """The significant digits of a number."""
    return "".join(map(str, number.value.as_tuple().digits)).strip("0")


# -- the same, written another way -----------------------------------------------------------------


def _is_format(truth: _Side, value: _Side) -> bool:
    if isinstance(truth.given, bool) or isinstance(value.given, bool):
        return bool(truth.given == value.given) or same_yes(truth.given, value.given)
    if truth.number and value.number:
        return _same_amount(truth.number, value.number) or _other_point(truth, value)
    if truth.days and value.days:
        return _same_days(truth.days, value.days)
    if truth.clock and value.clock:
        # Twelve hours apart: a.m. or p.m. was lost.
        apart = abs(truth.clock.hour - value.clock.hour)
        return truth.clock.minute == value.clock.minute and apart == _HALF_A_DAY
    return _same_letters(truth, value) or _is_turned(truth, value) or _is_turned(value, truth)


_HALF_A_DAY = 12


def _same_letters(truth: _Side, value: _Side) -> bool:
    """Whether only blanks and punctuation differ, not in an address, and no minus."""
    if truth.loose != value.loose or truth.numerals != value.numerals:
        return False
    return truth.minus == value.minus and not _ADDRESS.search(truth.text + " " + value.text)


def _is_turned(name: _Side, other: _Side) -> bool:
    """Whether one is "Smith, John" and the other one John Smith."""
    last, _, first = evened(name.text).partition(",")
    if not first or "," in first or name.numerals or len(name.words) > _MOST_NAMES:
        return False
    turned = _WORD.findall(_folded(first)) + _WORD.findall(_folded(last))
    return turned == other.words != name.words


_MOST_NAMES = 6


def _same_amount(one: Number, other: Number) -> bool:
    """Whether both are the same amount, as far as their units tell."""
    if (left := _base(one)) and (right := _base(other)) and left[0] == right[0]:
        return _near(left[1], right[1], _rounding(one, other, left[2], right[2]))
    if one.value == other.value:
        return one.agrees(other)
    if "%" in (one.unit, other.unit) and one.unit != other.unit:
        bare, share = (one, other) if other.unit == "%" else (other, one)
        return not bare.unit and bare.value * 100 == share.value
    return False


def _other_point(*sides: _Side) -> bool:
    """Whether a point or comma before three digits was taken for the other one: 1.480 is 1480."""
    texts = [each.given for each in sides if isinstance(each.given, str)]
    bare = [each.text.replace(",", "").replace(".", "") for each in sides]
    return bare[0] == bare[1] and any(_THOUSAND.fullmatch(each.strip()) for each in texts)


_THOUSAND = re.compile(r"-?[1-9]\d{0,2}[.,]\d{3}")


def _same_days(ours: list[datetime], theirs: list[datetime]) -> bool:
    """Whether two dates can be the same day, or have day and month turned round."""
    turned = {(each.year, each.day, each.month, each.time()) for each in ours}
    either = {(each.year, each.month, each.day, each.time()) for each in ours} | turned
    return any((each.year, each.month, each.day, each.time()) in either for each in theirs)


# -- units -----------------------------------------------------------------------------------------

_SIZES = {
    "mass": "µg 1e-9|mg 1e-6|g 1e-3|kg 1|t 1000|lb 0.45359237|oz 0.028349523125",
    "length": "mm 1e-3|cm 1e-2|m 1|km 1000|in 0.0254|ft 0.3048|mi 1609.344",
    "area": "m² 1|km² 1e6", "volume": "ml 1e-3|cl 1e-2|l 1|m³ 1000",
    "time": "ms 1e-3|s 1|min 60|h 3600|day 86400", "age": "month 1|year 12",
    "heat": "°C 1|°F 1", "power": "mW 1e-3|W 1|kW 1000|MW 1e6", "energy": "kWh 1|MWh 1000",
    "voltage": "mV 1e-3|V 1|kV 1000", "current": "mA 1e-3|A 1",
    "frequency": "Hz 1|kHz 1000|MHz 1e6|GHz 1e9",
    "pressure": "mPa 1e-3|Pa 1|kPa 1000|bar 1e5|MPa 1e6", "data": "kB 1|MB 1e3|GB 1e6|TB 1e9",
}  # fmt: skip
_UNITS = {
    name: (kind, Decimal(size))
    for kind, units in _SIZES.items()
    for name, _, size in (each.partition(" ") for each in units.split("|"))
}
"""What a unit measures, and how large it is."""

_FACTORS = [
    (float(each), each)
    for each in (
        *(Decimal(10) ** zeros for zeros in range(1, 13)),
        *map(Decimal, (7, 12, 16, 24, 60, 1024, 1440, 3600, 86400)),
        *map(Decimal, ("2.54", "25.4", "3.28084", "1.609344", "2.20462", "28.3495")),
    )
]
"""By how much one unit is larger than another, as a rough number and in full."""

_ABOUT = 0.05
_LEAST_FIGURES = 3
_CLOSE = Decimal("1e-9")


def _base(number: Number) -> tuple[str, Decimal, Decimal] | None:
    """What a number with a unit measures, how much in one unit for all, and that unit's size."""
    known = _UNITS.get(number.unit)
    if known is None:
        return None
    kind, size = known
    if number.unit == "°F":
        return kind, (number.value - 32) / Decimal("1.8"), 1 / Decimal("1.8")
    return kind, number.value * size, size


def _step(number: Number) -> Decimal:
    """Half of the last digit that was written."""
    exponent = number.value.as_tuple().exponent
    return Decimal(5).scaleb(exponent - 1) if isinstance(exponent, int) else Decimal(0)


def _rounding(one: Number, other: Number, size: Decimal, other_size: Decimal) -> Decimal:
    same = one.unit == other.unit
    return Decimal(0) if same else max(_step(one) * size, _step(other) * other_size)


def _near(one: Decimal, other: Decimal, room: Decimal = Decimal(0)) -> bool:
    return abs(one - other) <= max(room, _CLOSE * max(abs(one), abs(other)))


def _is_unit(truth: _Side, value: _Side) -> bool:
    ours, theirs = truth.number, value.number
    if not (ours and theirs and ours.value and theirs.value):
        return False
    if ours.value == theirs.value:
        return bool(ours.unit or theirs.unit)
    if (ours.value < 0) != (theirs.value < 0):
        return False
    large, small = abs(ours.value), abs(theirs.value)
    rounding = _step(theirs) if len(_figures(theirs)) >= _LEAST_FIGURES else Decimal(0)
    if large < small:
        # A value that is too large has all digits of the truth, and may have more.
        large, small = small, large
        rounding = Decimal(0)
    ratio = float(large) / float(small) if float(small) else math.inf
    return any(
        abs(ratio - about) <= _ABOUT * about and _near(small * each, large, rounding * each)
        for about, each in _FACTORS
    )


# -- signs -----------------------------------------------------------------------------------------

_SIDES = (
    "credit debit|cr dr|crédit débit|crédito débito|credito debito|kredit debet|haben soll"
    "|gutschrift lastschrift|guthaben belastung|avoir débit|haber debe|avere dare|credit debet"
    "|inflow outflow|income expense|deposit withdrawal|receivable payable|buy sell"
    "|einnahme ausgabe|入金 出金|収入 支出|貸方 借方|贷 借|кредит дебет|приход расход"
)
_OPPOSITES: dict[str, set[str]] = {}
for _two in _SIDES.split("|"):
    _one, _other = (_folded(each) for each in _two.split())
    _OPPOSITES.setdefault(_one, set()).add(_other)
    _OPPOSITES.setdefault(_other, set()).add(_one)


def _is_sign(truth: _Side, value: _Side) -> bool:
    if truth.number and value.number:
        same = truth.number.agrees(value.number)
        return same and bool(value.number.value) and truth.number.value == -value.number.value
    if truth.numerals != value.numerals or len(truth.words) != len(value.words):
        return False
    bare = [each.loose.replace("+", "") for each in (truth, value)]
    if bare[0] == bare[1] and truth.loose + "-" * truth.minus != value.loose + "-" * value.minus:
        return True
    unlike = [both for both in zip(truth.words, value.words, strict=True) if both[0] != both[1]]
    return len(unlike) == 1 and unlike[0][1] in _OPPOSITES.get(unlike[0][0], ())


# -- parts -----------------------------------------------------------------------------------------


def _is_cut(truth: _Side, value: _Side) -> bool:
    if truth.number and value.number and not (_is_code(truth) and _is_code(value)):
        return _is_rounded(truth.number, value.number)
    return _is_part(value, truth)


def _is_too_much(truth: _Side, value: _Side) -> bool:
    return not (truth.number and value.number) and _is_part(truth, value)


def _is_code(side: _Side) -> bool:
    return isinstance(side.given, str) and side.text.strip().isdecimal()


def _is_rounded(truth: Number, value: Number) -> bool:
    """Whether a number has fewer digits than the truth, and those are its first ones."""
    ours, theirs = _figures(truth), _figures(value)
    if _is_year(truth.value) and _is_year(value.value):
        return False
    if not 1 < len(theirs) < len(ours) or not truth.agrees(value):
        return False
    one = Decimal(1).scaleb(value.value.adjusted() - len(theirs) + 1)
    return abs(truth.value - value.value) < one and truth.value * value.value > 0


def _is_year(value: Decimal) -> bool:
    return value == value.to_integral_value() and _FIRST_YEAR <= value <= _LAST_YEAR


_FIRST_YEAR, _LAST_YEAR = 1900, 2100


def _is_part(part: _Side, whole: _Side) -> bool:
    """Whether one is a part of the other: its words, its beginning, or a part of its date."""
    if whole.days and isinstance(part.given, str) and len(part.text) <= _LONGEST_DAY:
        return _is_part_of_day(part, whole.days[0]) or whole.holds(part)
    if _LEAST_FIGURES <= len(part.loose) < len(whole.loose):
        inside = part.loose.isdecimal() and len(part.loose) > _LEAST_FIGURES
        if whole.loose.startswith(part.loose) or (inside and part.loose in whole.loose):
            return True
    return whole.holds(part)


_LONGEST_DAY = 60


def _is_part_of_day(part: _Side, day: datetime) -> bool:
    """Whether it says of a day only the month, or the day without the year or the time."""
    if part.days:
        return any(each.date() == day.date() for each in part.days) and day not in part.days
    source = SourceText(part.text)
    found = ground(f"{day:%Y-%m-%d}", source).kind
    if found == "absent":
        found = ground(f"{day.year:04}-{day.month:02}", source).kind
        return found != "absent"
    return found == "fuzzy"


# -- nearly the same -------------------------------------------------------------------------------

_SLIPS = ((_LEAST_FIGURES, 1), (8, 2), (40, 3))
"""From how many characters on how many may differ."""


def _is_misread(truth: _Side, value: _Side) -> bool:
    from rapidfuzz.distance import OSA

    one, other = truth.loose, value.loose
    if truth.number and value.number:
        shortest = min(len(_figures(truth.number)), len(_figures(value.number)))
    else:
        shortest = min(len(one), len(other))
    most = max((slips for length, slips in _SLIPS if shortest >= length), default=0)
    return most > 0 and OSA.distance(one, other, score_cutoff=most) <= most


_Rule = tuple[ErrorKind, Callable[[_Side, _Side], bool]]
_FORMAT: _Rule = ("format", _is_format)
_UNIT: _Rule = ("unit", _is_unit)
_SIGN: _Rule = ("sign", _is_sign)
_CUT: _Rule = ("cut", _is_cut)
_TOO_MUCH: _Rule = ("too much", _is_too_much)
