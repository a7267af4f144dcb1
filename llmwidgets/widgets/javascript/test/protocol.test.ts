import assert from "node:assert/strict";
import { test } from "node:test";
import { Acts, settle, stepTo } from "../src/panel/protocol";

test("only the newest act is answered", () => {
  const acts = new Acts();
  assert.deepEqual(acts.mark({ type: "hello" }), { type: "hello" });
  acts.begin();
  const first = acts.mark({ type: "save" }).act as string;
  assert.ok(acts.answers({ type: "state", act: first }));
  assert.ok(!acts.answers({ type: "state" }));
  acts.begin();
  assert.ok(!acts.answers({ type: "state", act: first }));
});

test("a state of another page answers nobody here", () => {
  const [here, there] = [new Acts(), new Acts()];
  here.begin();
  there.begin();
  assert.ok(!here.answers({ type: "state", act: there.newest }));
});

test("an older answer takes nothing back", () => {
  const acts = new Acts();
  acts.begin();
  const first = acts.newest;
  acts.begin();
  acts.hear({ type: "state", act: acts.newest });
  acts.hear({ type: "state", act: first });
  acts.hear({ type: "state" });
  assert.equal(acts.answered, Acts.place(acts.newest));
});

test("a person in a field keeps what stands there, except behind their own act", () => {
  assert.equal(settle(false, true, true), "keep");
  assert.equal(settle(true, false, false), "take");
  assert.equal(settle(true, true, true), "take");
  assert.equal(settle(true, true, false), "wait");
  assert.equal(settle(true, false, false, true), "keep", "what was typed later stays");
});

test("arrow keys stay inside a list", () => {
  const ways = [
    ["ArrowDown", 0, 1],
    ["ArrowRight", 2, 2],
    ["ArrowUp", 0, 0],
    ["ArrowLeft", 2, 1],
    ["Home", 2, 0],
    ["End", 0, 2],
    ["a", 1, -1],
    ["ArrowDown", -1, -1],
    ["Home", -1, -1],
  ] as const;
  for (const [key, at, to] of ways) assert.equal(stepTo(key, at, 3), to, `${key} from ${at}`);
});
