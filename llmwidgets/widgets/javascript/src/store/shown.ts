// What the kernel shows once: the words and the identity of a new store, sealed to a key that never
// leaves this view.

import { useRef, useState } from "preact/hooks";
import { useMessage, usePanel } from "../panel/panel";
import { freshName, type Message } from "../panel/protocol";
import { canSeal } from "../panel/sealing";

type What = "words" | "recovery";

interface ShownMessage extends Message {
  what: What;
  view: string;
  sealed: boolean;
}

const RSA = {
  name: "RSA-OAEP",
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: "SHA-256",
};

class Opener {
  readonly name = freshName("view");
  private readonly keys = canSeal()
    ? crypto.subtle.generateKey(RSA, false, ["encrypt", "decrypt"])
    : null;

  async spki(): Promise<string> {
    if (!this.keys) return "";
    const raw = await crypto.subtle.exportKey("spki", (await this.keys).publicKey);
    return btoa(String.fromCharCode(...new Uint8Array(raw)));
  }

  async open(message: ShownMessage, buffers: readonly DataView[]): Promise<string> {
    const [first, iv, sealed] = buffers.map(
      (each) =>
        each.buffer.slice(each.byteOffset, each.byteOffset + each.byteLength) as ArrayBuffer,
    );
    if (!message.sealed) return new TextDecoder().decode(first);
    const { subtle } = crypto;
    const raw = await subtle.decrypt({ name: "RSA-OAEP" }, (await this.keys!).privateKey, first);
    const once = await subtle.importKey("raw", raw, "AES-GCM", false, ["decrypt"]);
    const additionalData = new TextEncoder().encode(message.what);
    return new TextDecoder().decode(
      await subtle.decrypt({ name: "AES-GCM", iv, additionalData }, once, sealed),
    );
  }
}

/** What was shown to this view, and the way to ask for more; gone with the screen. */
export function useShown() {
  const panel = usePanel();
  const opener = useRef<Opener | undefined>(undefined);
  const then = useRef<((identity: string) => void) | null>(null);
  const [seen, setSeen] = useState<Partial<Record<What, string>>>({});
  const ask = async (what: What) => {
    opener.current ??= new Opener();
    const { name } = opener.current;
    panel.send("store.show", { what, spki: await opener.current.spki(), view: name });
  };
  useMessage<ShownMessage>("shown", async (message, buffers) => {
    if (message.view !== opener.current?.name) return;
    const text = await opener.current.open(message, buffers);
    setSeen((before) => ({ ...before, [message.what]: text }));
    if (message.what !== "recovery") return;
    then.current?.(text);
    then.current = null;
  });
  return {
    words: seen.words ?? "",
    recovery: seen.recovery ?? "",
    askForWords() {
      setSeen((before) => ({ ...before, words: "" }));
      ask("words");
    },
    /** Do something with the identity, which is asked for when it is first needed. */
    withRecovery(act: (identity: string) => void) {
      if (seen.recovery) {
        act(seen.recovery);
        return;
      }
      then.current = act;
      ask("recovery");
    },
  };
}
