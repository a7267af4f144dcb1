// The words proposed as a passphrase: how many of them were typed, what is missing, what is wrong.

import { plural } from "../panel/parts";

export const SHORTEST = 12;

export function spaced(text: string): string {
  return text.trim().split(/\s+/).join(" ");
}

export function wordsOf(text: string): string[] {
  return text.split(" ").filter(Boolean);
}

interface Typed {
  of: number;
  right: number;
  more: boolean;
}

/** How many of the words shown were typed, from the first on. */
export function countTyped(shown: string, given: string): Typed {
  const words = wordsOf(shown);
  const typed = spaced(given).split(" ");
  const wrong = typed.findIndex((each, n) => each !== words[n]);
  return {
    of: words.length,
    right: wrong < 0 ? typed.length : wrong,
    more: typed.length > words.length,
  };
}

/** What is not there yet before a store can be made; of a passphrase of one's own, `given` says it. */
export function missingParts(own: boolean, shown: string, given: string, kept: boolean): string[] {
  const { of, right, more } = countTyped(shown, given);
  const left = of - right;
  const words =
    left === of ? "the six words" : `the last ${left > 1 ? `${left} ` : ""}${plural(left, "word")}`;
  return [
    !own && left > 0 && words,
    !own && of > 0 && left === 0 && more && "nothing but the six words",
    own && given,
    !kept && "the tick in step 2",
  ].filter((each) => typeof each === "string" && each !== "") as string[];
}

/** What a passphrase of one's own lacks; empty where it is long enough and typed the same twice. */
export function ownLack(first: string, again: string): string {
  const left = SHORTEST - first.length;
  if (!first) return "the passphrase";
  if (left > 0) return `${left} more ${plural(left, "character")}`;
  return first === again ? "" : "the same passphrase again";
}
