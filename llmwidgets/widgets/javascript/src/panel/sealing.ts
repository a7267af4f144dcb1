// A secret on its way to the kernel. The input is read and emptied in the same tick; from there on
// the value exists only inside `seal`, which turns it into buffers and drops it.

import { acts, give } from "./page";
import type { Panel } from "./panel";
import type { Content, Message, WidgetModel } from "./protocol";

interface Sealing {
  spki: Promise<string>;
  last: Promise<void>;
}

const sealings = new WeakMap<WidgetModel, Sealing>();

interface KeyMessage extends Message {
  spki: string;
}

/** Ask the kernel for its public key. */
export function startSealing(panel: Panel): void {
  const spki = new Promise<string>((resolve) => {
    panel.listen<KeyMessage>("sealing", (message) => resolve(message.spki));
  });
  const before = sealings.get(panel.model);
  sealings.set(panel.model, { spki, last: before?.last ?? Promise.resolve() });
  if (canSeal()) panel.model.send({ type: "secret.sealing" });
}

export function canSeal(): boolean {
  return Boolean(globalThis.crypto?.subtle);
}

async function seal(model: WidgetModel, field: string, bytes: Uint8Array<ArrayBuffer>) {
  if (!canSeal()) return { sealed: false, buffers: [bytes.buffer] };
  const { subtle } = crypto;
  const spki = Uint8Array.from(atob(await sealings.get(model)!.spki), (c) => c.charCodeAt(0));
  const rsa = { name: "RSA-OAEP", hash: "SHA-256" };
  const theirs = await subtle.importKey("spki", spki, rsa, false, ["encrypt"]);
  const once = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const additionalData = new TextEncoder().encode(field);
  const closed = await subtle.encrypt({ name: "AES-GCM", iv, additionalData }, once, bytes);
  bytes.fill(0);
  const raw = await subtle.exportKey("raw", once);
  const wrapped = await subtle.encrypt({ name: "RSA-OAEP" }, theirs, raw);
  return { sealed: true, buffers: [wrapped, iv.buffer, closed] };
}

async function post(
  model: WidgetModel,
  field: string,
  bytes: Uint8Array<ArrayBuffer>,
  more: Content,
) {
  const { sealed, buffers } = await seal(model, field, bytes);
  const type = "form" in more ? "form.secret" : "secret.typed";
  model.send(acts.mark({ type, field, sealed, ...more }), undefined, buffers);
}

/** Empty the input now, send its value sealed; the order of everything sent this way is kept. */
export function sendSecret(
  model: WidgetModel,
  input: HTMLInputElement,
  field: string,
  more: Content = {},
): void {
  const bytes = new TextEncoder().encode(input.value);
  give(input, "");
  if (bytes.length === 0) return;
  // A field that is taken off the page says "change" as well: nobody left it, so nothing is sent.
  const left = Promise.resolve().then(() => input.isConnected);
  inOrder(model, async () => {
    if (await left) await post(model, field, bytes, more);
    else bytes.fill(0);
  });
}

/** The content of a file that a person chose or dropped, sealed like what is typed. */
export function sendFile(model: WidgetModel, file: File, field: string, more: Content): void {
  inOrder(model, async () => post(model, field, new Uint8Array(await file.arrayBuffer()), more));
}

/** Do something after every secret under way has left. */
export function inOrder(model: WidgetModel, step: () => unknown): void {
  const entry = sealings.get(model)!;
  entry.last = entry.last
    .then(async () => {
      await step();
    })
    .catch((error) => {
      model.send({ type: "secret.failed", name: String(error?.name || "Error") });
    });
}
