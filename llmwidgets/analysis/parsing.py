"""Parsing: the number, the day or the time of day that a whole text is."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from llmwidgets.analysis.scripts import evened, folded

_CODES = """
AED ARS AUD BDT BGN BHD BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP GHS HKD HUF IDR ILS INR
ISK JOD JPY KES KRW KWD KZT LKR MAD MXN MYR NGN NOK NZD OMR PEN PHP PKR PLN QAR RON RSD RUB
SAR SEK SGD THB TND TRY TWD UAH USD UYU VND ZAR
"""
UNITS = {
    **{code: code for code in _CODES.split()},
    "US$": "USD", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD",
    "HK$": "HKD", "S$": "SGD", "NT$": "TWD", "R$": "BRL", "MX$": "MXN", "$": "USD", "€": "EUR",
    "£": "GBP", "¥": "¥", "円": "JPY", "元": "CNY", "RMB": "CNY", "₹": "INR", "Rs.": "INR",
    "Rs": "INR", "RS": "INR", "RM": "MYR", "₩": "KRW", "원": "KRW", "₽": "RUB", "руб.": "RUB",
    "руб": "RUB", "₺": "TRY", "TL": "TRY", "₪": "ILS", "₫": "VND", "₴": "UAH", "₱": "PHP",
    "₦": "NGN", "฿": "THB", "zł": "PLN", "Kč": "CZK", "Ft": "HUF", "lei": "RON", "Rp": "IDR",
    "SFr.": "CHF", "SFr": "CHF", "Fr.": "CHF", "kr.": "kr", "kr": "kr", "Kr.": "kr", "Kr": "kr",
    "KR": "kr", "euros": "EUR", "euro": "EUR", "Euro": "EUR", "dollars": "USD", "dollar": "USD",
    "pounds": "GBP", "rupees": "INR", "yen": "JPY", "%": "%", "percent": "%", "per cent": "%",
    "Prozent": "%", "pct": "%",
}  # fmt: skip
_MEANINGS = {
    "kr": frozenset({"SEK", "NOK", "DKK", "ISK"}), "¥": frozenset({"JPY", "CNY"}),
}  # fmt: skip
"""Signs of more than one currency."""

_COMMA_DECIMALS = """
EUR BRL SEK NOK DKK ISK kr PLN CZK HUF RON RSD RUB UAH TRY IDR VND COP CLP ARS UYU
"""
_POINTS_GROUP = frozenset(_COMMA_DECIMALS.split())
"""Money whose decimals come after a comma where it is used: €1.250 is 1250."""

_ONE_POINT = re.compile(r"[1-9]\d{0,2}\.\d{3}")
SCALES = {
    "thousand": 3, "tsd": 3, "million": 6, "millions": 6, "mio": 6, "mln": 6, "millionen": 6,
    "millones": 6, "milioni": 6, "milhões": 6, "miljoen": 6, "miljoner": 6, "млн": 6,
    "billion": 9, "billions": 9, "bn": 9, "mrd": 9, "milliarde": 9, "milliarden": 9,
    "milliards": 9, "miliardi": 9, "mld": 9, "miljard": 9, "млрд": 9, "trillion": 12,
    "lakh": 5, "lakhs": 5, "lac": 5, "crore": 7, "crores": 7, "cr": 7,
}  # fmt: skip
SIGNS = {
    "百万": 6, "千万": 7, "百萬": 6, "千萬": 7, "백만": 6, "천만": 7, "万": 4, "萬": 4, "億": 8,
    "亿": 8, "兆": 12, "千": 3, "만": 4, "억": 8, "조": 12, "천": 3, "ล้าน": 6, "แสน": 5, "หมื่น": 4,
    "พัน": 3, "लाख": 5, "करोड़": 7, "हज़ार": 3, "हजार": 3,
}  # fmt: skip
EITHER_SIGN = "|".join(sorted(SIGNS, key=len, reverse=True))
"""Scales of scripts that write them right next to the number, with more text right after."""

_SHORT_SCALES = {"k": 3, "K": 3, "M": 6, "B": 9}
EITHER_UNIT = "|".join(re.escape(each) for each in sorted(UNITS, key=len, reverse=True))
_SCALE = "|".join(sorted(SCALES, key=len, reverse=True))
SPACES = " \u00a0\u2009\u202f'"
_NUMBER = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[-+])?\s*(?P<before>{EITHER_UNIT})?\s*(?P<late>[-+])?"
    rf"(?P<body>\d[\d.,{SPACES}]*\d|\d|\.\d+)(?:\.(?=\s|$)|(?P<even>[.,/]-{{1,2}}))?"
    rf"(?:\s*(?:(?P<scale>(?i:{_SCALE}))\b\.?|(?P<sign_of_scale>{EITHER_SIGN}))"
    r"|(?P<short>[kKMB])(?![^\W\d_]))?"
    rf"\s*(?P<after>{EITHER_UNIT})?(?P<trailing>\s?-)?\s*(?P<close>\))?"
)
_GROUPS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}")
"""Thousands, or lakhs as in India, once the mark between groups is a comma."""

IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the currency, per cent sign or unit it was written with."""

    value: Decimal
    unit: str = ""

    def agrees(self, other: Number) -> bool:
        """Whether the units of both can be the same, or one is missing."""
        one, two = self.unit, other.unit
        if not one or not two or one == two:
            return True
        return two in _MEANINGS.get(one, ()) or one in _MEANINGS.get(two, ())


def number_in(text: str) -> Number | None:
    """The number that the whole text is; None if it is not one.

    Separators of thousands and decimal commas are understood: "1,250" is 1250 and "1,25" is 1.25.
    A whole number with a leading zero is an identifier, not a number.

    >>> number_in("$1,250.00")
    Number(value=Decimal('1250.00'), unit='USD')
    >>> number_in("007") is None
    True
    """
    bare = text.strip()
    if len(bare) > _LONGEST or not (match := _NUMBER.fullmatch(evened(bare))):
        return None
    signs = [match["sign"], match["late"], match["trailing"], match["open"]]
    if bool(match["open"]) != bool(match["close"]) or sum(map(bool, signs)) > 1:
        return None
    if match["before"] and match["after"] and UNITS[match["before"]] != UNITS[match["after"]]:
        return None
    # After a comma a dash means no cents, so a point before it groups thousands.
    even = (match["even"] or "/")[0]
    body = match["body"] + (f"{even}00" if even != "/" else "")
    unit = UNITS.get(match["before"] or match["after"] or "", "")
    if match["short"] and unit in {"", "%"}:
        return None
    if match["scale"]:
        scale = SCALES[match["scale"].casefold()]
    else:
        scale = SIGNS.get(match["sign_of_scale"], 0) or _SHORT_SCALES.get(match["short"], 0)
    if not scale and unit in _POINTS_GROUP and _ONE_POINT.fullmatch(body):
        body = body.replace(".", "")
    digits = digits_in(body)
    if digits is None:
        return None
    minus = any(each and each.strip() in {"-", "("} for each in signs)
    try:
        value = Decimal(digits).scaleb(scale) if scale else Decimal(digits)
    except InvalidOperation:
        return None
    return Number(-value if minus else value, unit)


def digits_in(body: str) -> str | None:
    """The body of a number in Python's spelling; None if its separators make no sense."""
    for space in SPACES:
        if space in body:
            if not re.fullmatch(rf"\d{{1,3}}(?:{space}\d{{3}})+(?:[.,]\d+)?", body):
                return None
            body = body.replace(space, "")
    comma, point = body.rfind(","), body.rfind(".")
    if comma >= 0 and point >= 0:
        return _grouped(body, *((".", ",") if comma > point else (",", ".")))
    mark = "," if comma >= 0 else "."
    count = body.count(mark)
    groups = count and _GROUPS.fullmatch(body.replace(mark, ","))
    if count > 1 or (mark == "," and groups):
        address = mark == "." and IP_ADDRESS.fullmatch(body)
        return body.replace(mark, "") if groups and not address else None
    body = body.replace(",", ".")
    return None if re.match(r"0\d", body) else body


def _grouped(body: str, group: str, decimal: str) -> str | None:
    whole, _, part = body.rpartition(decimal)
    if decimal in whole or not part.isdecimal():
        return None
    if not _GROUPS.fullmatch(whole.replace(group, ",")):
        return None
    return f"{whole.replace(group, '')}.{part}"


# -- what else a number field may contain --------------------------------------------------------

MEASURES = {
    each: unit
    for unit, names in {
        "kg": "kg kgs kilogram kilograms", "g": "g gr gram grams", "mg": "mg", "µg": "µg μg mcg",
        "t": "t tonnes tons", "lb": "lb lbs pound", "oz": "oz ounces", "l": "l L liter litre "
        "liters litres Liter", "ml": "ml mL", "cl": "cl", "m": "m meters metres Meter", "cm": "cm",
        "mm": "mm", "km": "km", "mi": "mi miles", "in": "in inch inches", "ft": "ft feet",
        "m²": "m² m2 sqm qm", "km²": "km² km2", "m³": "m³ m3", "h": "h hr hrs hours hour Stunden "
        "Std", "min": "min mins minutes Minuten", "s": "s sec secs seconds Sekunden", "ms": "ms",
        "day": "day days Tage jours", "month": "months month Monate mois", "year": "years year yrs "
        "Jahre ans", "°C": "°C ℃", "°F": "°F", "W": "W", "kW": "kW", "MW": "MW", "mW": "mW",
        "kWh": "kWh", "MWh": "MWh", "V": "V", "mV": "mV", "kV": "kV", "A": "A", "mA": "mA",
        "Hz": "Hz", "kHz": "kHz", "MHz": "MHz", "GHz": "GHz", "Pa": "Pa", "kPa": "kPa",
        "MPa": "MPa", "mPa": "mPa", "bar": "bar", "kB": "kB KB", "MB": "MB", "GB": "GB",
        "TB": "TB", "pcs": "pcs pc pieces units Stück Stk", "km/h": "km/h kmh", "mmHg": "mmHg",
        "kcal": "kcal", "bpm": "bpm",
    }.items()
    for each in names.split()
}  # fmt: skip
_MEASURED = re.compile(r"(.*?[\d.])\s*([^\W\d_]\w*(?:/\w+)?|°[CF]|℃|m[²³])\.?")
_FRACTION = re.compile(
    r"([-+]?)(?:(\d{1,9})(?:\s+|\s*(?=[½⅓⅔¼¾⅛⅜⅝⅞])))?(?:(\d{1,4})/(\d{1,4})|([½⅓⅔¼¾⅛⅜⅝⅞]))"
)
_SHORT_SCALE = re.compile(r"(.*\d)([kKMB])")
_POWER = re.compile(r"[-+]?\d{1,20}(?:\.\d{1,20})?[eE][-+]?\d{1,3}")
_LARGE = {"": 1, "hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 10**9}
_SMALL = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBER_WORDS = {
    **{word: value for value, word in enumerate(_SMALL.split())},
    **{word: 10 * value for value, word in enumerate(_TENS.split(), 2)},
    **{
        f"{tens}-{one}": 10 * value + unit
        for value, tens in enumerate(_TENS.split(), 2)
        for unit, one in enumerate(_SMALL.split()[1:10], 1)
    },
}


def measured_in(text: str) -> Number | None:
    """The number of a known unit of measure that the whole text is: "12 kg"; else None."""
    bare = text.strip()
    if len(bare) > _LONGEST or not bare or bare[-1].isdecimal():
        return None
    match = _MEASURED.fullmatch(evened(bare))
    unit = MEASURES.get(match[2]) if match else None
    number = number_in(match[1]) if match and unit else None
    return Number(number.value, unit) if number and unit and not number.unit else None


def number_meant(text: str) -> Number | None:
    """The only number that a text in a number field can mean: "05", "1e3", "½", "12 kg"."""
    if len(text.strip()) > _LONGEST:
        return None
    bare = evened(text.strip())
    if number := number_in(bare) or measured_in(bare):
        return number
    if match := _SHORT_SCALE.fullmatch(bare):
        inner = number_in(match[1])
        return inner and Number(inner.value.scaleb(_SHORT_SCALES[match[2]]), inner.unit)
    if bare.isdecimal() or _POWER.fullmatch(bare):
        return Number(Decimal(bare))
    word, _, large = bare.casefold().partition(" ")
    if (count := NUMBER_WORDS.get(word)) is not None and large in _LARGE:
        return Number(Decimal(count * _LARGE[large]))
    return _fraction(bare)


def _fraction(bare: str) -> Number | None:
    match = _FRACTION.fullmatch(bare.replace("\u00a0", " "))
    if not match:
        return None
    sign, whole, over, under, sign_of_part = match.groups()
    if sign_of_part:
        over, under = unicodedata.normalize("NFKC", sign_of_part).split("\u2044")
    if not int(under):
        return None
    value = Decimal(int(whole or 0)) + Decimal(int(over)) / Decimal(int(under))
    return Number(-value if sign == "-" else value)


# -- how the large European languages write months and days of the week ----------------------------

_MONTHS = (
    "jan january januar januari janvier janv enero ene gennaio gen janeiro styczen stycznia sty "
    "leden ledna ianuarie januar jaan tammikuu tammikuuta ocak января январь янв січня січень "
    "ιανουαριος ιανουαριου",
    "feb february februar februari fevrier fevr fev febrero febbraio febr fevereiro luty lutego "
    "lut unor unora februarie februar helmikuu helmikuuta subat февраля февраль фев лютого лютий "
    "φεβρουαριος φεβρουαριου",
    "mar march marz maerz mrz mars maart mrt marzo marco marzec marca brezen brezna martie "
    "marcius marts maaliskuu maaliskuuta mart марта март мар березня березень μαρτιος μαρτιου",
    "apr april avril avr abril abr aprile kwiecien kwietnia kwi duben dubna aprilie aprilis "
    "huhtikuu huhtikuuta nisan апреля апрель апр квітня квітень απριλιος απριλιου",
    "may mai mei mayo maggio mag maio maj maja kveten kvetna majus toukokuu toukokuuta mayis мая "
    "май травня травень μαιος μαιου",
    "jun june juni juin junio giugno giu junho czerwiec czerwca cze cerven cervna iunie junius "
    "kesakuu kesakuuta haziran июня июнь июн червня червень ιουνιος ιουνιου",
    "jul july juli juillet juil julio luglio lug julho lipiec lipca lip cervenec cervence iulie "
    "julius heinakuu heinakuuta temmuz июля июль июл липня липень ιουλιος ιουλιου",
    "aug august augustus aout agosto ago sierpien sierpnia sie srpen srpna augusti augusztus "
    "elokuu elokuuta agustos августа август авг серпня серпень αυγουστος αυγουστου",
    "sep sept september septembre septiembre setiembre settembre setembro set wrzesien wrzesnia "
    "wrz zari septembrie szeptember syyskuu syyskuuta eylul сентября сентябрь сен сент вересня "
    "вересень σεπτεμβριος σεπτεμβριου",
    "oct october oktober okt octobre octubre ottobre ott outubro out pazdziernik pazdziernika paz "
    "rijen rijna octombrie lokakuu lokakuuta ekim октября октябрь окт жовтня жовтень οκτωβριος "
    "οκτωβριου",
    "nov november novembre noviembre novembro listopad listopada lis listopadu noiembrie "
    "marraskuu marraskuuta kasim ноября ноябрь ноя нояб листопада листопад νοεμβριος νοεμβριου",
    "dec december dezember dez decembre diciembre dic dicembre dezembro grudzien grudnia gru "
    "prosinec prosince decembrie desember des joulukuu joulukuuta aralik декабря декабрь дек "
    "грудня грудень δεκεμβριος δεκεμβριου",
)
_FURTHER = (
    "janner يناير जनवरी ינואר בינואר",
    "feber فبراير फरवरी פברואר בפברואר",
    "maret مارس मार्च מרץ במרץ",
    "أبريل ابريل अप्रैल אפריל באפריל",
    "مايو मई מאי במאי", "يونيو जून יוני ביוני",
    "يوليو जुलाई יולי ביולי",
    "agustus أغسطس اغسطس अगस्त אוגוסט באוגוסט",
    "سبتمبر सितंबर सितम्बर ספטמבר בספטמבר",
    "أكتوبر اكتوبر अक्टूबर אוקטובר באוקטובר",
    "نوفمبر नवंबर नवम्बर נובמבר בנובמבר",
    "desember ديسمبر दिसंबर दिसम्बर דצמבר בדצמבר",
)  # fmt: skip
"""Austrian, Indonesian, Arabic, Hindi and Hebrew ones."""

MONTHS = {
    name: at
    for months in (_MONTHS, _FURTHER)
    for at, names in enumerate(months, 1)
    for name in names.replace("ς", "σ").split()
}
"""A month's number by its name, written as `plain` writes it."""

_WEEKDAYS = """
mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday
mo montag di dienstag mi mittwoch do donnerstag fr freitag sa samstag sonnabend so sonntag
lun lundi mardi mer mercredi jeu jeudi ven vendredi sam samedi dim dimanche
lunes martes miercoles mie jueves jue viernes vie sabado sab domingo dom
lunedi martedi mercoledi giovedi gio venerdi sabato domenica
segunda segundafeira terca tercafeira quarta quartafeira quinta quintafeira sexta sextafeira
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
poniedzialek wtorek sroda czwartek piatek sobota niedziela pondeli utery streda ctvrtek patek nedele
mandag tirsdag tisdag onsdag torsdag fredag lordag sondag
понедельник вторник среда четверг пятница суббота воскресенье
the on le den am el il dnia
"""
WEEKDAYS = frozenset(_WEEKDAYS.split())
"""What may be before a date without changing it."""


# -- the dates and times of day that a text is -----------------------------------------------------

_ZONE = r"Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?"
_TIME = re.compile(
    r"(\d{1,2})(?:(?:[:.]|\s?[h時时]\s?)(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(\s?h|\s?Uhr|[時时点]|分)?"
    rf"\s*([ap]\.?\s?m\.?)?\s*({_ZONE})?",
    re.IGNORECASE,
)
_CLOCK = (
    r"(?:(?:T|,?\s+(?:(?:at|um|kl\.?|à|a las|alle)\s+)?)"
    r"(?P<clock>\d{1,2}(?::\d{2}|\s?h|\s?[ap]\.?m|\s?Uhr).*))?"
)
_BEFORE = r"(?:(?P<w>[^\W\d_]+(?:-[^\W\d_]+)?)\.?,?\s+)?"
_NAME = r"(?P<n>(?:[^\W\d_]|[\u0900-\u094f])+)"
_YEAR = r"(?P<y>\d{4}|'?\d{2})"
_DATES = tuple(
    re.compile(pattern + _CLOCK, re.IGNORECASE)
    for pattern in (
        r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})\.?",
        rf"{_BEFORE}(?P<a>\d{{1,2}})(?P<s>[-/.])\s?(?P<b>\d{{1,2}})(?P=s)\s?(?P<y>\d{{4}}|\d{{2}})"
        r"(?:\s?г\.?|\s?r\.?)?",
        rf"{_BEFORE}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|[ºª°.])?[\s./-]*(?:of\s+|de\s+|d')?"
        rf"{_NAME}\.?,?[\s./-]*(?:del?\s+)?{_YEAR}(?:\s?г\.?|\s?r\.?|\s?р\.?)?",
        rf"{_BEFORE}{_NAME}\.?[\s-]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,\s*|[\s-]+){_YEAR}",
        rf"(?P<y>\d{{4}})[\s.-]+{_NAME}\.?[\s.-]+(?P<d>\d{{1,2}})\.?",
        r"(?P<y>\d{4})\s?[年년]\s?(?P<m>\d{1,2})\s?[月월]\s?(?P<d>\d{1,2})\s?[日일]?",
        r"(?:ngày\s+)?(?P<d>\d{1,2})\s+tháng\s+(?P<m>\d{1,2})\s+năm\s+(?P<y>\d{4})",
        r"(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})",
    )
)
_MAY_BE = re.compile(r"\D*\d+\D+\d|\d{8}\b")
_CENTURY_ENDS = 69
"""Two digits below this are a year from 2000 on, as in POSIX."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day as it is written, and the instant in UTC if a time of day is written with it."""

    day: date
    at: datetime
    has_clock: bool = False


def read_days(text: str) -> tuple[Day, ...]:
    """Every day that the whole text may mean, day first before month first.

    >>> [str(each.day) for each in read_days("4. März 2025")]
    ['2025-03-04']
    """
    bare = text.strip()
    if not 6 <= len(bare) <= _LONGEST or not _MAY_BE.match(bare):
        return ()
    if not bare.isascii():
        bare = evened(unicodedata.normalize("NFC", bare))
    for pattern in _DATES:
        match = pattern.fullmatch(bare)
        if match and (days := _days(match)):
            clock = match["clock"]
            at = _zoned_clock(clock) if clock else time()
            if at is None:
                return ()
            read = (_day(day, at, bool(clock)) for day in days)
            return tuple(each for each in read if each is not None)
    return ()


def _days(match: re.Match[str]) -> list[date]:
    parts = match.groupdict()
    if parts.get("w") and _name(parts["w"]) not in WEEKDAYS:
        return []
    year = int(parts["y"].removeprefix("'"))
    if len(parts["y"]) < 4:
        year += 2000 if year < _CENTURY_ENDS else 1900
    if parts.get("a"):
        one, other = int(parts["a"]), int(parts["b"])
        orders = [(other, one)] if parts["s"] == "." else [(other, one), (one, other)]
    elif parts.get("n"):
        month = MONTHS.get(_name(parts["n"]))
        orders = [(month, int(parts["d"]))] if month else []
    else:
        orders = [(int(parts["m"]), int(parts["d"]))]
    days = []
    for month, day in dict.fromkeys(orders):
        try:
            days.append(date(year, month, day))
        except ValueError:
            continue
    return days


def _name(word: str) -> str:
    return "".join(folded(each) for each in word if each.isalpha() or "\u0900" <= each <= "\u094f")


def _day(day: date, clock: time, has_clock: bool) -> Day | None:
    at = datetime.combine(day, clock)
    if at.tzinfo is not None:
        try:
            at = at.astimezone(UTC).replace(tzinfo=None)
        except (OverflowError, ValueError):
            return None
    return Day(day, at, has_clock)


def clock_in(text: str) -> time | None:
    """The time of day that the whole text is, in UTC if it names a zone; None if it is not one.

    >>> clock_in("2:30 PM"), clock_in("15h30+01:00")
    (datetime.time(14, 30), datetime.time(14, 30))
    """
    clock = _zoned_clock(text)
    if clock is None or clock.tzinfo is None:
        return clock
    return datetime.combine(_ANY_DAY, clock).astimezone(UTC).time()


_ANY_DAY = date(2000, 1, 1)


def _zoned_clock(text: str) -> time | None:
    bare = text.strip()
    match = _TIME.fullmatch(evened(bare)) if len(bare) <= _LONGEST else None
    if not match:
        return None
    hour, minute, second, part, named, half, zone = match.groups()
    if not (minute and ("." not in bare[:3] or named)) and not half and not named:
        return None
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.casefold().startswith("p") else 0)
    spelled = f"{hours:02}:{minute or '00'}:{second or '00'}"
    spelled += f".{part[:6]:0<6}" if part else ""
    try:
        return time.fromisoformat(spelled + ("Z" if zone and zone[0] in "ZzUuGg" else zone or ""))
    except ValueError:
        return None
