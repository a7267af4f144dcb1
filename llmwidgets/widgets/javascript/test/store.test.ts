import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { seconds } from "../src/connections/check";
import { toldValue } from "../src/connections/form";
import { someOf } from "../src/connections/found";
import type { FieldState } from "../src/connections/state";
import type { Panel } from "../src/panel/panel";
import type { Content, WidgetModel } from "../src/panel/protocol";
import { inOrder, sendSecret, startSealing } from "../src/panel/sealing";
import { countTyped, missingParts, ownLack, spaced } from "../src/store/words";

const WORDS = "ravo kimu teda solu bipo nafe";

test("words are counted from the first on, up to the first that differs", () => {
  const right = (given: string) => countTyped(WORDS, given).right;
  assert.equal(right(""), 0);
  assert.equal(right("  ravo   kimu "), 2);
  assert.equal(right("ravo kimo teda"), 1);
  assert.equal(right(WORDS), 6);
  assert.deepEqual(countTyped(WORDS, `${WORDS} more`), { of: 6, right: 6, more: true });
  assert.equal(spaced(" a\t b\n"), "a b");
});

test("what is missing before a store can be made", () => {
  const missing = (given: string, kept = true) => missingParts(false, WORDS, given, kept);
  assert.deepEqual(missing("", false), ["the six words", "the tick in step 2"]);
  assert.deepEqual(missing("ravo kimu"), ["the last 4 words"]);
  assert.deepEqual(missing("ravo kimu teda solu bipo"), ["the last word"]);
  assert.deepEqual(missing(WORDS), []);
  assert.deepEqual(missing(`${WORDS} more`), ["nothing but the six words"]);
  assert.deepEqual(missingParts(false, "", "", true), []);
  assert.deepEqual(missingParts(true, WORDS, "the passphrase", true), ["the passphrase"]);
  assert.deepEqual(missingParts(true, WORDS, "", true), []);
});

test("a passphrase of one's own is long enough and typed twice", () => {
  assert.equal(ownLack("", ""), "the passphrase");
  assert.equal(ownLack("short", "short"), "7 more characters");
  assert.equal(ownLack("a long pass", ""), "1 more character");
  assert.equal(ownLack("a long passphrase", "a long passphrasf"), "the same passphrase again");
  assert.equal(ownLack("a long passphrase", "a long passphrase"), "");
});

test("how long a check took", () => {
  const cases = [
    [null, ""],
    [0, ""],
    [0.04, " under 0.1 s"],
    [2.44, " 2.4 s"],
    [12.4, " 12 s"],
  ] as const;
  for (const [said, words] of cases) assert.equal(seconds(said), words);
});

test("of many models two are named", () => {
  assert.equal(someOf(["a"]), "a");
  assert.equal(someOf(["a", "b", "c"]), "a, b and c");
  assert.equal(someOf(["a", "b", "c", "d"]), "a, b and 2 more");
});

test("a field that is told and not asked never tells a secret", () => {
  const told = (field: object) => toldValue(field as FieldState);
  assert.equal(told({ type: "text", value: "org-1" }), "org-1");
  assert.equal(told({ type: "bool", value: true }), "yes");
  assert.equal(told({ type: "price", value: { input: 1, output: 2.5 } }), "$1 in, $2.5 out");
  assert.equal(told({ type: "headers", rows: [{ name: "X-A" }, { name: "X-B" }] }), "X-A, X-B");
  assert.equal(told({ type: "secret", secret: { tail: "81fc" } }), "");
});

// ---- a secret on its way --------------------------------------------------------------------------

globalThis.crypto ??= webcrypto as Crypto;
const { subtle } = crypto;
const RSA = { name: "RSA-OAEP", hash: "SHA-256" };

interface Sent extends Content {
  type: string;
  buffers: ArrayBuffer[];
}

/** A panel whose kernel has a key, and all that it is sent. */
async function joined() {
  const { publicKey, privateKey } = await subtle.generateKey(
    { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    false,
    ["encrypt", "decrypt"],
  );
  const spki = Buffer.from(await subtle.exportKey("spki", publicKey)).toString("base64");
  const sent: Sent[] = [];
  const model = {
    send: (content: Content, _: unknown, buffers: ArrayBuffer[] = []) =>
      sent.push({ ...(content as { type: string }), buffers }),
  } as unknown as WidgetModel;
  const listen = (_: string, hear: (message: object) => void) => hear({ type: "sealing", spki });
  startSealing({ model, listen } as unknown as Panel);
  const open = async ({ field, buffers: [wrapped, iv, closed] }: Sent) => {
    const raw = await subtle.decrypt(RSA, privateKey, wrapped);
    const once = await subtle.importKey("raw", raw, "AES-GCM", false, ["decrypt"]);
    const additionalData = new TextEncoder().encode(field as string);
    const bytes = await subtle.decrypt({ name: "AES-GCM", iv, additionalData }, once, closed);
    return new TextDecoder().decode(bytes);
  };
  const settled = () => new Promise<void>((resolve) => inOrder(model, resolve));
  return { model, sent, open, settled };
}

const input = (value: string, isConnected = true) => ({ value, isConnected }) as HTMLInputElement;

test("a secret leaves sealed, and the input is empty in the same tick", async () => {
  const { model, sent, open, settled } = await joined();
  const field = input("sk-made-up-0000");
  sendSecret(model, field, "api_key", { form: "openai/" });
  assert.equal(field.value, "");
  await settled();
  const [, secret] = sent;
  assert.equal(secret.sealed, true);
  assert.equal(secret.type, "form.secret");
  assert.equal(secret.form, "openai/");
  assert.ok(!JSON.stringify(sent).includes("sk-made-up"));
  assert.ok(secret.buffers.every((each) => !Buffer.from(each).includes("sk-made-up")));
  assert.equal(await open(secret), "sk-made-up-0000");
});

test("what follows a secret is sent behind it", async () => {
  const { model, sent, open, settled } = await joined();
  sendSecret(model, input("first"), "old");
  sendSecret(model, input("second"), "new");
  inOrder(model, () => model.send({ type: "settings.change_passphrase" }));
  await settled();
  assert.deepEqual(
    sent.map((each) => each.field ?? each.type),
    ["secret.sealing", "old", "new", "settings.change_passphrase"],
  );
  assert.equal(await open(sent[2]), "second");
});

test("an empty input, and one that was taken off the page, send nothing", async () => {
  const { model, sent, settled } = await joined();
  sendSecret(model, input(""), "api_key");
  sendSecret(model, input("sk-half-typed", false), "api_key");
  await settled();
  assert.deepEqual(
    sent.map((each) => each.type),
    ["secret.sealing"],
  );
});

test("a step that fails is told by its name alone, and the next one is taken", async () => {
  const { model, sent, settled } = await joined();
  inOrder(model, () => {
    throw new TypeError("sk-made-up-0000");
  });
  sendSecret(model, input("next"), "api_key");
  await settled();
  assert.deepEqual(
    sent.map(({ type, name }) => [type, name]),
    [
      ["secret.sealing", undefined],
      ["secret.failed", "TypeError"],
      ["secret.typed", undefined],
    ],
  );
});
