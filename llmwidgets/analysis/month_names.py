"""Month names: how the large European languages write months and days of the week."""

from __future__ import annotations

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
"""What may stand before a date without changing it."""
