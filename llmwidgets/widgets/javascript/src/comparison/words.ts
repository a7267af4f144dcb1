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

/** Which texts are in sight: "texts 3–7 of 20 with a disagreement". */
export function seenWords(first: number, last: number, texts: number, said: string): string {
  if (!texts) return "";
  return `${first === last ? `text ${first}` : `texts ${first}–${last}`} of ${texts}${said}`;
}
