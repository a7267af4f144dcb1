"""Cells whose comparison has each of the three outcomes of a verdict, for pictures and audits."""

from __future__ import annotations

_MADE = """import random, llmwidgets as lw
from dataclasses import replace
from llmwidgets.dialects.types import Usage
rng = random.Random(SEED)
names = ["reporter", "policy", "day", "cause", "street", "city", "phone", "amount", "mail", "bank"]
schema = {"type": "object", "title": "Claim",
    "properties": {name: {"type": "string"} for name in names}}
truth = [{name: f"{name} {rng.randrange(1000, 9999)}" for name in names} for _ in range(60)]
insurers = ["Nordwind", "Nordwind", "Adler & Söhne", "Mutua del Mar", "Nordwind", "Adler & Söhne"]
texts = [{"id": f"claim-{n + 1:02}", "text": ", ".join(each.values()),
    "insurer": "Zephyr" if n % 17 == 3 else insurers[n % 6], "pages": n % 23 + 1}
    for n, each in enumerate(truth)]
def said(right, wrong):
    return {name: f"{name} 0" if rng.random() < wrong else value for name, value in right.items()}
def compared(count, facts, labelled=None):
    outputs = {name: [said(each, wrong) for each in truth[:count]] for name, wrong, *_ in facts}
    for name, _, lost, *_ in facts:
        for at in range(lost):
            outputs[name][7 * at + 3] = "I cannot read this."
    for name in {"llama3.2"} & set(outputs):
        outputs[name][:2] = [None, None]
    known = [each if at < (labelled or count) else None for at, each in enumerate(truth[:count])]
    made = lw.Comparison.from_outputs(schema, texts[:count], outputs, known)
    def read(row, place):
        _, _, _, cost, seconds, tokens = facts[place.variant]
        return replace(made.read(row, place), seconds=seconds * (0.6 + place.text % 9 / 9),
            cost=None if cost is None else cost / 1000,
            timed_out=2 * (seconds > 5 and place.text == 0),
            usage=Usage(input_tokens=680, output_tokens=tokens))
    return replace(made, read=read, notes=())
"""
_AS_GOOD = """compared(60, [("gpt-6-luna", .02, 0, .16, 1.1, 188),
    ("claude-haiku-5-5", .04, 2, .31, 1.6, 473), ("gemini-3.8-flash", .01, 0, 2.14, 1.3, 435),
    ("llama3.2", .2, 5, None, 6.8, 208)]).explore()"""
_BETTER = """compared(40, [("gpt-6-luna", .11, 0, .16, 1.1, 188),
    ("claude-haiku-5-5", .09, 1, .31, 1.6, 473),
    ("gemini-3.8-flash", .01, 0, 2.14, 1.3, 435)]).explore()"""
_NOT_ENOUGH = """compared(60, [("gpt-6-luna", .08, 0, .16, 1.1, 188),
    ("claude-haiku-5-5", .04, 0, .31, 1.6, 473),
    ("gemini-3.8-flash", .05, 0, 2.14, 1.3, 435)], labelled=12).explore()"""
_MANY_LOSE = """compared(60, [(f"model-number-{n}-of-some-vendor", .02 + n / 50, n % 5 + (n > 1),
    .2 + n, 1.1 + n, 188) for n in range(8)]).explore()"""
_SPARSE = """import random, llmwidgets as lw
rng = random.Random(3)
names = [f"field_{n:02}" for n in range(56)]
schema = {"type": "object", "title": "Sparse",
    "properties": {name: {"type": ["string", "null"]} for name in names}}
truth = [dict.fromkeys(names) | {name: f"value {rng.randrange(1000, 9999)}"
    for name in rng.sample(names, 3)} for _ in range(24)]
texts = [{"id": f"claim-{n + 1:02}", "text": "; ".join(filter(None, each.values()))}
    for n, each in enumerate(truth)]
def said(right, misses, makes_up):
    return {name: ("made up" if rng.random() < makes_up else None) if value is None
        else None if rng.random() < misses else value for name, value in right.items()}
outputs = {name: [said(each, *wrong) for each in truth] for name, *wrong in
    [("gpt-6-luna", .3, 0), ("claude-haiku-5-5", .05, .01), ("all-null", 1, 0)]}
lw.Comparison.from_outputs(schema, texts, outputs, truth).explore()
"""

OUTCOMES = {
    "as-good": _MADE.replace("SEED", "11") + _AS_GOOD,
    "better": _MADE.replace("SEED", "12") + _BETTER,
    "not-enough": _MADE.replace("SEED", "13") + _NOT_ENOUGH,
}
"""Code of a cell that shows the panel, by the outcome."""

WIDE = {
    "many-lose": _MADE.replace("SEED", "11") + _MANY_LOSE,
    "sparse": _SPARSE,
}
"""Code of cells with more columns, or more variants, than the three outcomes have."""

ERRORS = """import random, llmwidgets as lw
rng = random.Random(11)
nullable = {"type": ["string", "null"]}
line = {"type": "object", "properties": {"what": {"type": "string"}, "cost": {"type": "number"}}}
schema = {"type": "object", "title": "Claim", "properties": {"reporter": {"type": "string"},
    "insured": {"type": "string"}, "day": {"type": "string", "format": "date"},
    "amount": {"type": "number"}, "cause": {"enum": ["water", "fire", "storm"]},
    "location": {"type": "string"}, "police_report": nullable,
    "lines": {"type": "array", "items": line}}}
names = ["Ada Lovelace", "Grace Hopper", "Jonas Brandt", "Petra Brandt", "Alan Turing"]
truth, texts = [], []
for n in range(70):
    who, other = rng.sample(names, 2)
    first = {"what": "roof tiles", "cost": rng.randrange(1001, 9999) / 4}
    second = {"what": "gutter of the roof", "cost": rng.randrange(1001, 9999) / 4}
    truth.append({"reporter": who, "insured": other, "day": f"2026-03-{n % 28 + 1:02}",
        "amount": rng.randrange(1001, 99999) / 10, "cause": rng.choice(["water", "fire", "storm"]),
        "location": f"Hafenstr. {n + 11}, Kiel", "police_report": None if n % 3 else f"PR-{n}07",
        "lines": [first, second]})
    one = truth[-1]
    texts.append({"id": f"claim-{n + 1:02}", "text": f"{who} writes for {other}: on {one['day']} "
        f"{one['cause']} hit {one['location']}. About {round(one['amount'] / 1000, 4)} thousand "
        f"euro, {first['what']} {first['cost']}, {second['what']} {second['cost']}. "
        f"Report: {one['police_report'] or 'none'}. Our phone is 0431-{n}553."})
def said(right, wrong):
    made = {**right, "lines": [dict(each) for each in right["lines"]]}
    def slips(): return rng.random() < wrong
    if slips(): made["reporter"] = right["insured"]
    if slips(): made["amount"] = round(right["amount"] / 1000, 4)
    if slips() and slips(): made["amount"] = -right["amount"]
    if slips(): made["cause"] = rng.choice(["water", "fire", "storm"])
    if slips(): made["location"] = "Kiel"
    if slips(): made["location"] = made["location"] + ", Germany"
    if slips(): made["day"] = right["day"][5:]
    if slips(): made["police_report"] = right["police_report"] or rng.choice(["PR-1", "N/A"])
    if slips(): made["insured"] = right["insured"].replace("a", "e")
    if slips(): made["lines"][0]["cost"] = right["lines"][1]["cost"]
    if slips() and slips(): del made["reporter"]
    return made
outputs = {name: [said(each, wrong) for each in truth] for name, wrong in
    [("gpt-6-luna", .06), ("claude-haiku-5-5", .05), ("gemini-3.8-flash", .1), ("llama3.2", .3)]}
outputs["llama3.2"][3] = "I cannot read this."
lw.Comparison.from_outputs(schema, texts, outputs, truth).explore()
"""
"""A cell whose comparison has wrong values of most kinds."""
EARLIER = """import llmwidgets as lw
from llmwidgets.demo import invoices
texts = [dict(text, id=f"{n}-{text['id']}", text=f"{text['text']}\\nCopy {n}")
    for n in range(8) for text in invoices.texts[:8]]
truth = {text["id"]: invoices.truth[text["id"].split("-", 1)[1]] for text in texts}
def run(count, **models):
    named = [lw.Variant(model, label=label.replace("_", "-")) for label, model in models.items()]
    return lw.compare(invoices.Schema, texts[:count], named, truth={each["id"]: truth[each["id"]]
        for each in texts[:count]}, progress=False)
for each in (run(12, luna="demo-hasty"),
    run(48, luna="demo-careful", haiku="demo-quick", flash="demo-careful")):
    each.verdict()
result = run(64, luna="demo-quick", haiku="demo-quick", flash="demo-careful")
result.verdict()
result.explore()"""
"""Three runs in the usual journal, the last of them shown: `luna` is another model now."""

DECIDED = """import random, llmwidgets as lw
from dataclasses import replace
rng = random.Random(11)
names = ["Ada Lovelace", "Marta Oliveira", "Jan de Vries", "Inês Rocha", "Ravi Patel"]
fields = {"reporter": {"type": "string"}, "policy": {"type": ["string", "null"]},
    "amount": {"type": "number", "description": "claimed repair cost"},
    "day": {"type": "string", "format": "date"}, "cause": {"enum": ["water", "fire", "theft"]},
    "lines": {"type": "array", "items": {"type": "object", "properties": {
        "item": {"type": "string"}, "cost": {"type": "number"}}}}}
schema = {"type": "object", "title": "Claim", "properties": fields}
truth = [{"reporter": rng.choice(names), "policy": f"HH-{rng.randrange(1000, 9999)}",
    "amount": rng.randrange(100, 9000), "day": f"2026-10-{n % 28 + 1:02}",
    "cause": rng.choice(["water", "fire", "theft"]),
    "lines": [{"item": "floor", "cost": 100 + n}]} for n in range(60)]
texts = [{"id": f"claim-{n + 1:02}", "text": f"{r['reporter']}, policy {r['policy']}, claims "
    f"{r['amount']} for {r['cause']} on {r['day']}: floor {r['lines'][0]['cost']}."}
    for n, r in enumerate(truth)]
def said(right, wrong):
    made = {**right, "lines": [dict(each) for each in right["lines"]]}
    if rng.random() < wrong: made["amount"] = right["amount"] + 1000
    if rng.random() < wrong: made["policy"] = None
    if rng.random() < wrong / 2: made["reporter"] = "Grace Hopper"
    if rng.random() < wrong / 2: made["cause"] = "fire"
    if rng.random() < wrong: made["lines"][0]["cost"] += 1
    return made
outputs = {name: [said(each, wrong) for each in truth] for name, wrong in
    [("gpt-6-luna", .1), ("claude-haiku-5-5", .07), ("gemini-3.8-flash", .05), ("llama3.2", .4)]}
example = [("Grace Hopper, policy HH-1, claims 5 for fire.", {"reporter": "Grace Hopper"})]
def compared(truth):
    made = lw.Comparison.from_outputs(schema, texts, outputs, truth)
    return replace(made, variants=tuple(replace(each, examples=tuple(
        lw.Variant("x", examples=example).examples)) for each in made.variants))
"""

REPEATED = f"""{DECIDED}
runs = {{name: [[said(each, wrong) for each in truth] for _ in range(5)] for name, wrong in
    [("gpt-6-luna", .1), ("claude-haiku-5-5", .07), ("gemini-3.8-flash", .05), ("llama3.2", .4)]}}
for run in runs["llama3.2"][2:]: run[2] = None
lw.Comparison.from_outputs(schema, texts, runs, truth[:40] + [None] * 20, repeats=5).explore()"""

LANGUAGES = """import llmwidgets as lw
schema = {"type": "object", "title": "Invoice", "properties": {
    name: {"type": "string"} for name in ("vendor", "number", "note")}}
texts = [
    {"id": "ar", "text": "فاتورة رقم INV-2041\\nالمورّد: شركة النور للتجارة\\n"
        "المجموع: 4,180.50 ريال (شامل الضريبة 15%)\\nيُدفع خلال 30 يوماً."},
    {"id": "he", "text": "חשבונית מס 7731\\nספק: אור בניין, רחוב הרצל 12\\nשוטף + 30"},
    {"id": "ja", "text": "請求書第２０２６－０３１号\\n株式会社さくら商事\\n期限は四月三十日です"},
    {"id": "zh", "text": "发票号码：88120034\\n北京晨光科技有限公司\\n请于三十日内付款。"},
    {"id": "th", "text": "เลขที่ TH-5519\\nบริษัท สยามพัฒนา จำกัด\\nชำระภายใน 15 วัน"},
]
rows = [("شركة النور للتجارة", "INV-2041", "يُدفع خلال 30 يوماً"), ("אור בניין", "7731", "שוטף + 30"),
    ("株式会社さくら商事", "第２０２６－０３１号", "期限は四月三十日です"),
    ("北京晨光科技有限公司", "88120034", "请于三十日内付款"),
    ("บริษัท สยามพัฒนา จำกัด", "TH-5519", "ชำระภายใน 15 วัน")]
truth = [dict(zip(("vendor", "number", "note"), row)) for row in rows]
other = [("شركة النور للتجازة", "INV-2014", None), ("אור בנין", "7731", "שוטף + 60"),
    ("株式会社さくら商社", None, "期限は四月三十一日です"), ("北京晨光科技公司", "8812OO34", None),
    ("บริษัท สยามพัฒณา จำกัด", "TH-5519", "ชำระภายใน 50 วัน")]
said = [dict(zip(("vendor", "number", "note"), row)) for row in other]
outputs = {"gpt-6-luna": truth, "llama3.2": said}
lw.Comparison.from_outputs(schema, texts, outputs, truth).explore()"""
