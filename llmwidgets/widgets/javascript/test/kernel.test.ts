import assert from "node:assert/strict";
import { test } from "node:test";
import { watchKernel } from "../src/panel/kernel";
import type { WidgetModel } from "../src/panel/protocol";

class Signal<T> {
  slots = new Set<(from: unknown, said: T) => void>();
  connect(slot: (from: unknown, said: T) => void) {
    this.slots.add(slot);
  }
  disconnect(slot: (from: unknown, said: T) => void) {
    this.slots.delete(slot);
  }
  say(said: T) {
    for (const slot of this.slots) slot(null, said);
  }
}

function watched() {
  const kernel = {
    disposed: new Signal<unknown>(),
    statusChanged: new Signal<string>(),
    connectionStatusChanged: new Signal<string>(),
  };
  const heard: string[] = [];
  const model = { widget_manager: { kernel } } as unknown as WidgetModel;
  const leave = watchKernel(model, (loss) => heard.push(loss));
  return { kernel, heard, leave };
}

test("a kernel that works or is busy is not called lost", () => {
  const { kernel, heard } = watched();
  for (const each of ["unknown", "busy", "idle", "busy"]) kernel.statusChanged.say(each);
  assert.deepEqual(heard, []);
});

test("a restart here, from another page, after a crash; and an end", () => {
  for (const [said, heard] of [
    [["restarting", "unknown"], ["restarted"]],
    [["starting"], ["restarted"]],
    [
      ["restarting", "autorestarting"],
      ["restarted", "died"],
    ],
    [["dead"], ["ended"]],
  ]) {
    const watch = watched();
    for (const each of said) watch.kernel.statusChanged.say(each);
    assert.deepEqual(watch.heard, heard);
  }
  const { kernel, heard } = watched();
  kernel.disposed.say(undefined);
  assert.deepEqual(heard, ["ended"]);
});

test("a server that is away comes back", () => {
  const { kernel, heard } = watched();
  kernel.connectionStatusChanged.say("connecting");
  kernel.connectionStatusChanged.say("connected");
  assert.deepEqual(heard, ["silent", ""]);
});

test("nothing is heard after leaving, nor where a page has no kernel to ask", () => {
  const { kernel, leave } = watched();
  leave();
  for (const each of Object.values(kernel)) assert.equal(each.slots.size, 0);
  for (const widget_manager of [undefined, {}, { kernel: null }]) {
    const model = { widget_manager } as unknown as WidgetModel;
    watchKernel(model, () => assert.fail())();
  }
});
