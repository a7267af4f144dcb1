import assert from "node:assert/strict";
import { test } from "node:test";
import { findPresets, firstPresets } from "../src/connections/presets";
import type { PresetState } from "../src/connections/state";

const row = (
  title: string,
  endpoint: string,
  enforces: string,
  watch_out: string,
): PresetState => ({
  title,
  endpoint,
  enforces,
  level: "ok",
  watch_out,
  on: false,
});
const ROWS = [
  row("Ollama", "http://localhost:11434/v1", "schema", "A text longer is cut silently."),
  row("OpenRouter", "https://openrouter.ai/api/v1", "schema, by provider", "Pin one."),
  row("DeepSeek", "https://api.deepseek.com", "JSON only", "No schemas."),
  row("Snowflake", "https://{account}.snowflakecomputing.com", "schema", "OpenAI and Claude."),
  row("llama.cpp", "http://localhost:8080/v1", "schema", "Its one model answers."),
  row("Hugging Face", "https://router.huggingface.co/v1", "schema", "Name one."),
  row("LM Studio", "http://localhost:1234/v1", "schema", "A short context."),
  row("xAI", "https://api.x.ai/v1", "schema", "Some think."),
];
const found = (sought: string) => findPresets(ROWS, sought).map((each) => each.title);

test("a preset is found by its name in any spelling", () => {
  const spelled = {
    "open router": "OpenRouter",
    "open-router": "OpenRouter",
    DEEPSEEK: "DeepSeek",
    "deep seek": "DeepSeek",
    lmstudio: "LM Studio",
    "lm-studio": "LM Studio",
    huggingface: "Hugging Face",
    "hugging  face": "Hugging Face",
    llamacpp: "llama.cpp",
    "llama.cpp": "llama.cpp",
    " snow ": "Snowflake",
    "x.ai": "xAI",
  };
  for (const [sought, title] of Object.entries(spelled))
    assert.equal(found(sought)[0], title, sought);
});

test("a name comes before what says the same elsewhere", () => {
  assert.deepEqual(found("openai"), ["Snowflake"]);
  assert.deepEqual(found("router"), ["OpenRouter", "Hugging Face"]);
  assert.deepEqual(found("llama"), ["Ollama", "llama.cpp"]);
});

test("every word has to be there, in any cell and any order", () => {
  assert.deepEqual(found("only json"), ["DeepSeek"]);
  assert.deepEqual(found("localhost schema silently"), ["Ollama"]);
  assert.deepEqual(found("nothing like that"), []);
  assert.deepEqual(found("{account}"), ["Snowflake"]);
});

test("no words, or signs alone, hide nothing by name", () => {
  assert.equal(found("").length, ROWS.length);
  assert.equal(found("   ").length, ROWS.length);
  assert.equal(found("/").length, ROWS.length);
  assert.deepEqual(found("*"), []);
});

test("the most used are shown first, and the one that is on wherever it is", () => {
  assert.equal(firstPresets(ROWS).length, 7);
  const on = ROWS.map((each, n) => ({ ...each, on: n === 7 }));
  assert.equal(firstPresets(on).at(-1)?.title, "xAI");
  assert.equal(firstPresets(on).length, 8);
});
