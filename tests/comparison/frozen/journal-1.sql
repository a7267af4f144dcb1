PRAGMA application_id=0;
PRAGMA user_version=0;
BEGIN TRANSACTION;
CREATE TABLE extraction (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    at REAL NOT NULL,
    status TEXT NOT NULL,
    answered INTEGER NOT NULL,
    reply TEXT,
    facts TEXT NOT NULL
);
INSERT INTO "extraction" VALUES(1,'541099481ab3125ab1aaa737aab5ba21d6ad7b6ec1a1a67a668b53d575b9b1a1',1.79586574346619820595e+09,'ok',1,'{"name": "Ada", "total": 12.5, "lines": [{"sku": "a1", "amount": 12.5}]}','{"usage": {"input_tokens": 100, "output_tokens": 20, "cached_tokens": null, "reasoning_tokens": null}, "seconds": 0.0777051670011133, "waiting_seconds": 0.07754083100007847, "cost": null, "form": "json_object", "mode": "JSON only", "schema_shown": null, "served_model": "small-model-2026", "request_id": "c1", "tries": 1, "timed_out": 0, "notes": [], "dropped": [], "known_as": "", "output_limit": 20128, "message": "", "hint": "", "label": "", "model": "", "code": "", "http_status": null, "perhaps_answered": false}');
INSERT INTO "extraction" VALUES(2,'af4be3a672d05abbf84d7fcf9e78d38c28f2d5b2db469268909629fdbc40cfb7',1.79586574360736274716e+09,'ok',1,'{"name": "Bob", "total": 12.5, "lines": [{"sku": "a1", "amount": 12.5}]}','{"usage": {"input_tokens": 100, "output_tokens": 20, "cached_tokens": null, "reasoning_tokens": null}, "seconds": 0.14000887099973625, "waiting_seconds": 0.1398444959995686, "cost": null, "form": "json_object", "mode": "JSON only", "schema_shown": null, "served_model": "small-model-2026", "request_id": "c1", "tries": 1, "timed_out": 0, "notes": [], "dropped": [], "known_as": "", "output_limit": 20128, "message": "", "hint": "", "label": "", "model": "", "code": "", "http_status": null, "perhaps_answered": false}');
CREATE TABLE look (
    id INTEGER PRIMARY KEY,
    scored INTEGER NOT NULL,
    keys TEXT NOT NULL
);
CREATE INDEX answered_by_key ON extraction (key) WHERE answered;
COMMIT;
