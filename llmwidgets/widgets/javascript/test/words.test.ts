import assert from "node:assert/strict";
import { test } from "node:test";
import type { FieldScores, Span } from "../src/comparison/answers";
import { hardest, sortedFields } from "../src/comparison/scores/measures";
import { wordsChanged } from "../src/comparison/tabs/request";
import { whole } from "../src/comparison/tabs/scoreboard";
import { cutText } from "../src/comparison/tabs/text";
import { changed, isolate, seenWords, trimmed } from "../src/comparison/words";

test("what differs from the truth is found between what is the same", () => {
  assert.deepEqual(changed("R-2025/0318", "R-2025/0319"), ["R-2025/031", "9", ""]);
  assert.deepEqual(changed("4180 EUR", "4810 EUR"), ["4", "81", "0 EUR"]);
  assert.equal(changed("abc", "xyz"), null);
  assert.equal(changed("abcd", "abc"), null);
});

test("the pieces of what differs make the text again", () => {
  for (const truth of ["", "a", "aa", "aba", "abab", "a long value here"]) {
    for (const text of ["a", "aaa", "abba", "a long value there", "a lung value here"]) {
      const parts = changed(truth, text);
      if (parts) assert.equal(parts.join(""), text);
    }
  }
});

test("letters of any script stay whole, and those from the right stay by themselves", () => {
  assert.deepEqual(changed("नमस्ते दुनिया", "नमस्तु दुनिया"), ["नम", "स्तु", " दुनिया"]);
  assert.deepEqual(changed("abc 😀 d", "abc 😁 d"), ["abc ", "😁", " d"]);
  assert.equal(isolate("R-2025"), "R-2025");
  assert.equal(isolate("شركة 12"), "\u2068شركة 12\u2069");
  assert.equal(isolate("日本"), "日本");
});

function span(s: number, e: number, letters: string): Span {
  return { s, e, letters, path: "p", name: "p", state: "agree" };
}

test("spans may overlap and lie in each other; letters stand where a span ends", () => {
  const pieces = cutText("abcdefghij", [span(2, 6, "BT"), span(4, 6, "A"), span(5, 8, "C")]);
  assert.deepEqual(
    pieces.map(({ words, spans, who }) => [words, spans.length, who]),
    [
      ["ab", 0, ""],
      ["cd", 1, ""],
      ["e", 2, ""],
      ["f", 3, "TAB"],
      ["gh", 1, "C"],
      ["ij", 0, ""],
    ],
  );
  assert.deepEqual(
    cutText("plain", []).map(({ words }) => words),
    ["plain"],
  );
  assert.deepEqual(cutText("", []), []);
});

test("words that were struck out and put in; both texts can be read back", () => {
  const [before, after] = ["Read the text well. Answer.", "Read each text. Answer in JSON."];
  const parts = wordsChanged(before, after);
  const read = (leave: string) =>
    parts
      .filter(([kind]) => kind !== leave)
      .map(([, words]) => words)
      .join("");
  assert.equal(read("ins"), before);
  assert.equal(read("del"), after);
  assert.ok(parts.some(([kind, words]) => kind === "del" && words.includes("the")));
  assert.deepEqual(wordsChanged("same words", "same words"), [["", "same words"]]);
  assert.deepEqual(wordsChanged("Net amount of the invoice", "Total amount to pay"), [
    ["del", "Net"],
    ["ins", "Total"],
    ["", " amount "],
    ["del", "of the invoice"],
    ["ins", "to pay"],
  ]);
  assert.equal(
    wordsChanged("a b", "")
      .filter(([kind]) => kind === "ins")
      .map(([, w]) => w)
      .join(""),
    "",
  );
});

test("which texts are in sight", () => {
  assert.equal(seenWords(3, 7, 20, " with a disagreement"), "texts 3–7 of 20 with a disagreement");
  assert.equal(seenWords(1, 1, 2, ""), "text 1 of 2");
  assert.equal(seenWords(1, 1, 0, ""), "");
});

function scores(name: string, ...shares: (number | null)[]): FieldScores {
  return {
    path: name,
    name,
    cells: shares.map((share) => ({ right: [share, 10], missed: [share, 10] })),
    least: 0,
  };
}

test("fields are sorted by a column, and what has no figure stands last both ways", () => {
  const rows = [scores("b", 50, null), scores("a", 90, 20), scores("c", null, 70)];
  const names = (by: string, down = false) =>
    sortedFields(rows, ["A", "B"], { by, down, measure: "right" })
      .map(({ name }) => name)
      .join("");
  assert.equal(names(""), "bac");
  assert.equal(names("name"), "abc");
  assert.equal(names("name", true), "cba");
  assert.equal(names("A"), "bac");
  assert.equal(names("A", true), "abc");
  assert.equal(names("B", true), "cab");
});

test("the hardest share is the lowest, or the highest of what should be rare", () => {
  assert.equal(hardest(scores("a", 90, 20, null), "right"), 20);
  assert.equal(hardest(scores("a", 90, 20, null), "missed"), 90);
  assert.equal(hardest(scores("a", 20, 20), "right"), null);
  assert.equal(hardest({ path: "a", name: "a", cells: [null, null], least: 0 }, "right"), null);
});

test("numbers and heads as they are shown", () => {
  assert.deepEqual([2, 2.04, 2.25].map(trimmed), ["2", "2", "2.3"]);
  assert.equal(whole("95 % interval"), "95\u00a0%\u00a0interval");
  assert.equal(whole("Valid"), "Valid");
});
