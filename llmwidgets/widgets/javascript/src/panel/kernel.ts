// Whether the kernel behind a panel is there, by what the page is told of it: JupyterLab, Notebook and
// Voila hand its signals to a widget's manager. Nothing follows from silence, as a kernel in which a
// cell runs is silent too.

import type { WidgetModel } from "./protocol";

/** What took the kernel from a panel; behind `silent`, the server, it may come back by itself. */
export type Loss = "" | "silent" | "restarted" | "died" | "ended";

interface Signal<T> {
  connect(slot: (from: unknown, said: T) => void): void;
  disconnect(slot: (from: unknown, said: T) => void): void;
}

interface Kernel {
  disposed?: Signal<unknown>;
  statusChanged?: Signal<string>;
  connectionStatusChanged?: Signal<string>;
  reconnect?(): Promise<unknown>;
}

/** `starting` is all that another page hears of a restart. */
const ENDS: Record<string, Loss> = {
  starting: "restarted",
  restarting: "restarted",
  autorestarting: "died",
  dead: "ended",
  terminating: "ended",
};
/** JupyterLab gives up after some tries; a server may be away for longer. */
const AGAIN_MS = 30_000;

/** Hear of each loss, and of each return; returns what ends it. */
export function watchKernel(model: WidgetModel, hear: (loss: Loss) => void): () => void {
  const { kernel } = (model.widget_manager ?? {}) as { kernel?: Kernel | null };
  const ends: (() => void)[] = [];
  const follow = <T>(signal: Signal<T> | undefined, take: (said: T) => void) => {
    const slot = (_: unknown, said: T) => take(said);
    signal?.connect(slot);
    ends.push(() => signal?.disconnect(slot));
  };
  let timer = 0;
  follow(kernel?.statusChanged, (status) => ENDS[status] && hear(ENDS[status]));
  follow(kernel?.disposed, () => hear("ended"));
  follow(kernel?.connectionStatusChanged, (status) => {
    clearTimeout(timer);
    hear(status === "connected" ? "" : "silent");
    if (status === "disconnected")
      timer = window.setTimeout(() => kernel?.reconnect?.().catch(() => {}), AGAIN_MS);
  });
  return () => {
    clearTimeout(timer);
    for (const end of ends) end();
  };
}
