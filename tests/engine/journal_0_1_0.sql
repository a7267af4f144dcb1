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
INSERT INTO "extraction" VALUES(1,'1111111111111111111111111111111111111111111111111111111111111111',1700000000.5,'ok',1,'{"a": 1, "é": "ü"}','{"usage": {"input_tokens": 100, "output_tokens": 20, "cached_tokens": 10, "reasoning_tokens": 5}, "seconds": 1.25, "waiting_seconds": 0.5, "cost": 0.0003, "form": "json_schema", "mode": "schema enforced", "schema_shown": false, "served_model": "m-1", "request_id": "req-1", "tries": 2, "timed_out": 1, "notes": ["a note"], "dropped": ["temperature"], "known_as": "m", "output_limit": 4096, "message": "", "hint": "", "label": "", "model": "", "code": "", "http_status": null, "perhaps_answered": false}');
INSERT INTO "extraction" VALUES(2,'1111111111111111111111111111111111111111111111111111111111111111',1700000001.5,'ok',1,'{"a": 2}','{"usage": {"input_tokens": 100, "output_tokens": 20, "cached_tokens": 10, "reasoning_tokens": 5}, "seconds": 1.25, "waiting_seconds": 0.5, "cost": null, "form": "json_schema", "mode": "schema enforced", "schema_shown": false, "served_model": "m-1", "request_id": null, "tries": 2, "timed_out": 1, "notes": ["a note"], "dropped": ["temperature"], "known_as": "m", "output_limit": 4096, "message": "", "hint": "", "label": "", "model": "", "code": "", "http_status": null, "perhaps_answered": false}');
INSERT INTO "extraction" VALUES(3,'2222222222222222222222222222222222222222222222222222222222222222',1700000002.0,'Truncated',1,'{"a": ','{"usage": {"input_tokens": null, "output_tokens": null, "cached_tokens": null, "reasoning_tokens": null}, "seconds": null, "waiting_seconds": null, "cost": null, "form": null, "mode": null, "schema_shown": null, "served_model": null, "request_id": null, "tries": 0, "timed_out": 0, "notes": [], "dropped": [], "known_as": "", "output_limit": null, "message": "Cut.", "hint": "Raise it.", "label": "", "model": "", "code": "", "http_status": null, "perhaps_answered": false}');
INSERT INTO "extraction" VALUES(4,'3333333333333333333333333333333333333333333333333333333333333333',1700000003.0,'Unreachable',0,NULL,'{"usage": {"input_tokens": null, "output_tokens": null, "cached_tokens": null, "reasoning_tokens": null}, "seconds": null, "waiting_seconds": null, "cost": null, "form": null, "mode": null, "schema_shown": null, "served_model": null, "request_id": null, "tries": 0, "timed_out": 0, "notes": [], "dropped": [], "known_as": "", "output_limit": null, "message": "gone", "hint": "Wait.", "label": "l", "model": "m", "code": "c", "http_status": null, "perhaps_answered": false}');
CREATE TABLE look (
    id INTEGER PRIMARY KEY,
    scored INTEGER NOT NULL,
    keys TEXT NOT NULL
);
INSERT INTO "look" VALUES(1,5,'[["1111111111111111111111111111111111111111111111111111111111111111"], ["2222222222222222222222222222222222222222222222222222222222222222"]]');
CREATE INDEX answered_by_key ON extraction (key) WHERE answered;
COMMIT;
