// Texts and values as they are read: what differs, where a value stands, how many are in sight.

import type { FieldScores, Span } from "./state";

export const GLYPHS: Record<string, string> = {
  agree: "=",
  differ: "≠",
  missing: "−",
  invented: "+",
  "null in words": "∅",
  failed: "!",
};
export const SPOKEN: Record<string, string> = {
  agree: "agrees",
  differ: "differs",
  missing: "no value",
  invented: "invented",
  "null in words": "null in words",
  failed: "failed",
  unlabelled: "not labelled",
  waiting: "not answered yet",
};
/** A fact beside the state of a cell, by its number on the wire. */
export const FLAGS = ["", "not in the text", "copied from example"];

export function stateClass(state: string): string {
  return state === "null in words" ? "nulled" : state;
}

/** The text before, in and after what differs from the truth; null where most of it differs. */
export function changed(
  truth: string,
  text: string,
): [before: string, differs: string, after: string] | null {
  let start = 0;
  while (start < truth.length && start < text.length && truth[start] === text[start]) start += 1;
  let end = 0;
  while (
    end < truth.length - start &&
    end < text.length - start &&
    truth[truth.length - 1 - end] === text[text.length - 1 - end]
  )
    end += 1;
  const middle = text.slice(start, text.length - end);
  if (!middle || middle.length > text.length * 0.6) return null;
  return [text.slice(0, start), middle, text.slice(text.length - end)];
}

export interface Piece {
  words: string;
  /** The spans that lie over it. */
  spans: Span[];
  /** The letters of those that end with it, T first. */
  who: string;
}

/** The text cut at every start and end, so that spans may overlap. */
export function cutText(text: string, spans: Span[]): Piece[] {
  const cuts = [...new Set([0, text.length, ...spans.flatMap(({ s, e }) => [s, e])])].sort(
    (a, b) => a - b,
  );
  return cuts.slice(0, -1).map((from, n) => {
    const to = cuts[n + 1]!;
    const here = spans.filter(({ s, e }) => s < to && e > from);
    const ends = here.filter(({ e }) => e === to).flatMap(({ letters }) => [...letters]);
    const rank = (each: string) => (each === "T" ? "" : each);
    const who = [...new Set(ends)].sort((a, b) => (rank(a) < rank(b) ? -1 : 1)).join("");
    return { words: text.slice(from, to), spans: here, who };
  });
}

const MOST_WORDS = 1600;

/** The words of two texts: "" in both, "del" in the first alone, "ins" in the second alone. */
export function wordsChanged(
  before: string,
  after: string,
): [kind: "" | "del" | "ins", words: string][] {
  const [a, b] = [before, after].map((each) => each.split(/(\s+)/).slice(0, MOST_WORDS)) as [
    string[],
    string[],
  ];
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i]![j] =
        a[i] === b[j]
          ? common[i + 1]![j + 1]! + 1
          : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
    }
  }
  const parts: ["" | "del" | "ins", string][] = [];
  const add = (kind: "" | "del" | "ins", word: string) => {
    const last = parts.at(-1);
    if (last?.[0] === kind) last[1] += word;
    else parts.push([kind, word]);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && a[i] === b[j]) {
      add("", a[i]!);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!))
      add("del", a[i++]!);
    else add("ins", b[j++]!);
  }
  return parts;
}

/** Which texts are in sight: "texts 3–7 of 20 with a disagreement". */
export function seenWords(first: number, last: number, texts: number, said: string): string {
  if (!texts) return "";
  return `${first === last ? `text ${first}` : `texts ${first}–${last}`} of ${texts}${said}`;
}

// ---- fields by model -----------------------------------------------------------------------------

export interface Order {
  by: string;
  down: boolean;
  measure: string;
}

/** Hardest first unless a column is chosen; what has no figure stands last. */
export function sortedFields(
  rows: FieldScores[],
  letters: string[],
  { by, down, measure }: Order,
): FieldScores[] {
  if (!by) return rows;
  const column = letters.indexOf(by);
  const figure = (row: FieldScores) => row.cells[column]?.[measure]?.[0] ?? Infinity;
  const sorted = [...rows].sort((a, b) =>
    column < 0 ? a.name.localeCompare(b.name) : figure(a) - figure(b) || 0,
  );
  if (!down) return sorted;
  const known = sorted.filter((row) => column < 0 || figure(row) < Infinity).reverse();
  return [...known, ...sorted.filter((row) => !known.includes(row))];
}

const LESS_IS_BETTER = ["invented", "missed", "nulls_in_words"];

/** The worst share of a row; null where all are the same. */
export function hardest(row: FieldScores, measure: string): number | null {
  const known = row.cells.flatMap((cell) => cell?.[measure]?.[0] ?? []);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return least < most ? (LESS_IS_BETTER.includes(measure) ? most : least) : null;
}

/** A number without a decimal that says nothing. */
export function trimmed(value: number): string {
  return String(Number(value.toFixed(1)));
}

/** Words of a head that stay on one line. */
export function whole(words: string): string {
  return words.replace(
    /Worse than|the \w+ by,?|at most|95 % interval|of the|that came|of lists|% not in|the text|in \/ out|\$ per|\/ paid now/g,
    (part) => part.replaceAll(" ", "\u00a0"),
  );
}
