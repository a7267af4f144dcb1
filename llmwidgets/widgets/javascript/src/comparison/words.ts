// Texts and values as they are read: what differs, where a value stands, how many are in sight.

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

export const READING = "Reading the reply.";
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Words within a sentence that has no markup: what is written from the right stays by itself. */
export const isolate = (words: string) =>
  RIGHT_TO_LEFT.test(words) ? `\u2068${words}\u2069` : words;

const letters = new Intl.Segmenter();
const cut = (words: string) => Array.from(letters.segment(words), ({ segment }) => segment);

/** The text before, in and after what differs from the truth; null where most of it differs. */
export function changed(
  truth: string,
  text: string,
): [before: string, differs: string, after: string] | null {
  const [a, b] = [cut(truth), cut(text)];
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < most - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  const to = b.length - end;
  if (start === to || to - start > b.length * 0.6) return null;
  return [b.slice(0, start).join(""), b.slice(start, to).join(""), b.slice(to).join("")];
}

/** Figures that the kernel rounded already (formatting.py), as they are written here: a share in
    percent, a count, bytes. Nothing else of the comparison's page writes a number of its own. */
export const percent = (share: number) => share.toFixed(1);
export const counted = (number: number) => number.toLocaleString("en");
export const megabytes = (bytes: number) => trimmed(bytes / 1e6);
/** A mark of an axis. */
export const shortNumber = (value: number) =>
  value >= 1000 ? counted(value) : String(Number(value.toPrecision(2)));
/** A number without a decimal that says nothing. */
export const trimmed = (value: number) => percent(value).replace(".0", "");

/** Which texts are in sight: "texts 3–7 of 20 with a disagreement". */
export function seenWords(first: number, last: number, texts: number, said: string): string {
  if (!texts) return "";
  return `${first === last ? `text ${first}` : `texts ${first}–${last}`} of ${texts}${said}`;
}
