import assert from "node:assert/strict";
import { test } from "node:test";
import loader from "../src/loader";
import type { Hear, Message, WidgetModel } from "../src/panel/protocol";

test("the code is asked for until it comes", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] } as never);
  Object.assign(globalThis, { window: globalThis });
  t.mock.method(URL, "createObjectURL", () => "data:text/javascript,export default {}");
  const sent: unknown[] = [];
  const heard: Hear[] = [];
  const model = {
    get: () => "panel",
    send: (content: unknown) => sent.push(content),
    on: (_: string, hear: Hear) => heard.push(hear),
    off: () => {},
  } as unknown as WidgetModel & { get(name: "_anywidget_id"): string };
  loader.initialize({ model });
  for (const count of [1, 2, 3]) {
    assert.equal(sent.length, count);
    t.mock.timers.tick(500 * 2 ** (count - 1));
  }
  const bytes = new DataView(new ArrayBuffer(0));
  heard[0]!({ type: "module", part: "" } as Message, [bytes, bytes]);
  t.mock.timers.tick(3_600_000);
  assert.equal(sent.length, 4);
});
