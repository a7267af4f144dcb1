// What the kernel answers to the other views of a comparison: one typed value for each.

import type { Choice, Sentence } from "./state";

export interface Span {
  s: number;
  e: number;
  letters: string;
  path: string;
  name: string;
  state: string;
}

export interface ValueGroup {
  letters: string;
  state: string;
  text: string;
  kind: "value" | "none";
  flag: string;
  page: string;
}

export interface TextAnswer {
  index: number;
  repeat: number;
  id: string;
  total: number;
  text: string;
  cut: string;
  spans: Span[];
  fields: { path: string; name: string; groups: ValueGroup[] }[];
}

export type Range = [low: number, high: number];
export type Interval = [low: number | null, value: number, high: number | null];

/** A variant's result in words, as the verdict has it. */
export interface Wording {
  rank: number;
  title: string;
  more: string;
  recommended: boolean;
  came: string;
  loses: string;
  lost: string;
  failed: string;
  unanswered: string;
  worse: string;
  bound: string;
  rows: string;
  other_rows: string;
}

export interface ScoreRow {
  letter: string;
  label: string;
  said: string;
  right: string;
  interval: Interval | null;
  range: string;
  words: Wording;
  leading: string[];
  valid: string;
  failures: string;
  seconds: string;
  waiting: string;
  tokens: [input: string, output: string];
  cost: string;
  paid: string;
  late: string;
  agree?: string;
  agree_of?: string;
}

export interface Pair {
  a: string;
  b: string;
  points: string;
  interval: Interval | null;
  range: string;
  certain: boolean;
  needed: string;
  verdict: string;
}

/** A share in percent, null where there is nothing to divide by, and of how many it is. */
export type Figure = [share: number | null, of: number];

export interface FieldScores {
  path: string;
  name: string;
  cells: (Record<string, Figure> | null)[];
  /** The smallest share of the first measure. */
  least: number;
}

export interface FieldsTable {
  measures: Choice[];
  rows: FieldScores[];
}

/** A variant in the charts. */
export interface Point {
  letter: string;
  label: string;
  recommended: boolean;
  right: number | null;
  interval: [number, number, number] | null;
  cost: number | null;
  p50: number | null;
  p95: number | null;
  /** Against cost, and against time. */
  said: [string, string];
}

export interface Scores {
  headline: string;
  details: string;
  outcome: string;
  scored: boolean;
  agreed: boolean;
  matters: string;
  more: string;
  foretold: string;
  unlabelled: number;
  worse: string;
  band: Range | null;
  best: string;
  scale: Range;
  step: number;
  groups: { title: string; more: string; rows: ScoreRow[] }[];
  pairs: Pair[];
  pair_scale: Range;
  pairs_said: string;
  shared: { a: string; b: string; share: string; of: string }[];
  order: string[];
  fields: FieldsTable;
  stability: FieldsTable;
  points: Point[];
  beside: string[];
  foot: string[];
  /** How many texts the figures are of, and of how many, while the others are read. */
  progress?: [read: number, total: number] | null;
  slicing: Slicing;
  slices: Slices | null;
}

/** By which column texts can be sliced, and of which slice alone the scores are (-1: of all). */
export interface Slicing {
  columns: Choice[];
  by: string;
  all: string;
  slices: string[];
  only: number;
}

export interface SliceRow {
  name: string;
  said: string;
  /** Too few texts to tell. */
  few: boolean;
  /** In the order of the scoreboard. */
  cells: { right: string; interval: Interval | null; range: string; behind: string }[];
}

export interface Slices {
  by: string;
  measure: string;
  scale: Range;
  step: number;
  rows: SliceRow[];
  said: string;
}

/** How many values are wrong in which way, the most frequent kind first; one count for each model. */
export interface Kinds {
  said: string;
  kinds: { name: string; happened: string; advice: string; counts: number[] }[];
  fields: { path: string; name: string; counts: number[][] }[];
  of: string;
  foot: string;
}

/** The wrong values behind one count: the first of `total`. */
export interface KindRows {
  kind: string;
  field: string;
  column: number;
  total: number;
  rows: {
    path: string;
    pattern: string;
    name: string;
    text: string;
    id: string;
    truth: string;
    value: string;
    column: number;
    quote?: { before: string; mark: string; after: string };
    absent?: string;
  }[];
}

export interface Grounding {
  rows: Record<string, { absent: string; copied: string; title: string; loud?: boolean }>;
  any: boolean;
  said: string;
}

export interface DoubtBin {
  said: number;
  wrong: number;
  low: number;
  high: number;
  values: number;
  words: string;
}

export interface Doubt {
  basis: string;
  figure: string;
  found: string;
  bins: DoubtBin[];
}

export interface RequestAnswer {
  index: number;
  column: number;
  repeat: number;
  id: string;
  mode: string;
  line: string;
  request: string;
  /** Who says what, and which example it is of. */
  turns: [role: string, said: string, words: string][];
  schema: string;
  parameters: [name: string, value: string][];
  why: string;
  losses: string[];
  failure: Sentence | null;
  reply: string;
  said: string;
  facts: [name: string, value: string][];
  instructions: [letter: string, said: string][];
  /** What the columns' schemas say differently: the place, and the words of each column. */
  schemas: [place: string, said: string[]][];
}
