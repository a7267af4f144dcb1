// What the kernel says to the comparison panel: one typed value for each screen and each answer.

import type { PanelState } from "../panel/protocol";
import type { Range } from "./answers";
import type { Doubted, Filter, Review } from "./grid/order";
import type { TableColumn } from "./run/columns";

/** What happened, and what to do now. */
export interface Sentence {
  sentence: string;
  hint: string;
}

export type Choice = [name: string, words: string];

// ---- before the run ------------------------------------------------------------------------------

export interface Problem extends Sentence {
  where: string;
  action: { label: string; type: string; content?: object } | null;
}

export interface Copy {
  key: string;
  letter: string;
  label: string;
  said: string;
  examples: { count: number; given: string };
  instructions: string;
  effort: string;
  efforts: Choice[];
  /** How its schema differs from the comparison's; empty where it is the same. */
  schema: string;
  /** The descriptions of its own, by path. */
  descriptions: Record<string, string>;
}

/** A field, a group or a list of the schema. */
export interface Place {
  path: string;
  name: string;
  type: string;
  description: string;
}

export interface ModelRow {
  ref: string;
  id: string;
  ticked: boolean;
  enabled: boolean;
  letter: string;
  mode: string;
  price: string;
  notes: { tone: string; text: string }[];
  spoken: string;
  copies: Copy[];
}

export interface ModelGroup {
  label: string;
  title: string;
  said: string;
  count: number;
  pickable: number;
  rows: ModelRow[];
  /** Connections that serve any model: what is to be named behind the label. */
  asks: { label: string; asks: string; example: string; source: string }[];
}

export interface SchemaView {
  said: string;
  fields: { path: string; type: string; description: string; loss: string }[];
  losses: string[];
  edit: string;
  hint: string;
}

export interface TextsView {
  said: string;
  notes: string[];
  first: { id: string; line: string }[];
  samples: { name: string; label: string }[];
  columns: TableColumn[];
  uses: [use: string, words: string][];
}

export interface OptionsView {
  said: string;
  instructions: string;
  crossed: string;
  repeats: number;
  concurrency: number | "";
  pace: string;
  defaults: string[];
}

export interface Setup {
  said: string;
  code: boolean;
  problems: Problem[];
  empty: Sentence | null;
  ticked: string;
  groups: ModelGroup[];
  places: Place[];
  schema: SchemaView;
  texts: TextsView;
  options: OptionsView;
  estimate: { head: string; rest: string; lines: string[] };
  budget: string;
  trial: string;
  run: string;
  missing: string;
  expected: string;
  matters: string;
}

// ---- the schema editor ---------------------------------------------------------------------------

export interface FieldRow {
  name: string;
  type: string;
  many: boolean;
  required: boolean;
  description: string;
  values: string;
  problem: string;
  instead: string;
}

export interface Fields {
  edition: number;
  types: Choice[];
  rows: FieldRow[];
  said: string;
  wrong: string;
  warning: string;
}

// ---- the run -------------------------------------------------------------------------------------

export interface Progress {
  letter: string;
  label: string;
  done: number;
  failed: number;
  total: number;
  count: string;
  median: string;
  cost: string;
  now: { icon: string; tone: string; text: string };
}

export interface Running {
  status: string;
  said: string;
  stop: string;
  stopping: boolean;
  again: string;
  resume: string;
  show: string;
  note: Sentence | null;
  foot: string;
  differences: string;
  columns: Progress[];
}

// ---- the result ----------------------------------------------------------------------------------

export interface Variant {
  letter: string;
  label: string;
  title?: string;
}

/** What is known of a comparison before the page asks for more. */
export interface Result {
  /** Grows with each other comparison. */
  edition: number;
  revision: number;
  /** The tabs, in their order. */
  views: string[];
  variants: Variant[];
  truth: boolean;
  texts: number;
  repeats: number;
  unlabelled: number;
  read: number;
  live: boolean;
  counts: Record<string, number>;
  fields: string[];
  labels: number;
  undo: string;
  facts: string[];
  notes: string[];
  resume: string;
}

export type State = PanelState &
  (
    | { screen: "setup"; back: string; runs: string; setup: Setup }
    | { screen: "fields"; fields: Fields }
    | { screen: "running"; running: Running }
    | { screen: "results"; again: string; runs: string; result: Result }
    | { screen: "runs"; back: string; earlier: Earlier }
  );

// ---- earlier runs --------------------------------------------------------------------------------

export interface PastRun {
  id: number;
  ticked: boolean;
  shown: boolean;
  date: string;
  texts: string;
  models: string;
  best: string;
  calls: string;
  cost: string;
  unknown: string;
}

/** One variant now and in an earlier run. */
export interface Change {
  variant: number;
  letter: string;
  label: string;
  before: string;
  now: string;
  change: string;
  certain: boolean;
  interval: number[] | null;
  said: string;
  to_wrong: string;
  to_right: string;
  show: string;
}

export interface Compared {
  headline: string;
  details: string;
  heads: string[];
  scale: Range;
  rows: Change[];
}

export interface Earlier {
  said: string;
  empty: Sentence | null;
  rows: PastRun[];
  pair: string;
  ready: boolean;
  compared: Compared | null;
}

/** The fields of one variant that flipped, with their values. */
export interface Flips {
  letter: string;
  label: string;
  heads: string[];
  said: string;
  rows: {
    text: string;
    field: string;
    truth: string;
    before: string;
    now: string;
    right: boolean;
  }[];
}

// ---- the grid ------------------------------------------------------------------------------------

/** A variant's cell: its state, its words, the number of a fact beside it (FLAGS), its repeats. */
export type Cell = [state: CellState, text: string, flag: number, repeats?: Repeats];

/** How often the value came, what failed, and the states of the other values. */
export interface Repeats {
  of: string;
  failed: string;
  others: CellState[];
}

export type CellState =
  | "agree"
  | "differ"
  | "missing"
  | "invented"
  | "null in words"
  | "failed"
  | "waiting";

/** One field of one text. `t` is the truth, whether it is a value, where a label came from, and the
    truth that it changed. */
export interface Row {
  p: string;
  name: string;
  t: [text: string, kind: "value" | "none" | "blank", made?: string, was?: string];
  c: Cell[];
  /** 1 where the row is folded away until somebody asks for it. */
  q: 0 | 1;
  /** Its height in pixels. */
  h: number;
  d?: Doubted;
}

export interface Failure {
  name: string;
  said: string;
  again: boolean;
}

/** One text with its rows; `h` is its height while it is folded. */
export interface Block {
  id: string;
  index: number;
  title: string;
  said: string;
  failed: Record<number, Failure> | null;
  fold: string;
  rows: Row[];
  h: number;
}

export interface Nothing extends Sentence {
  good: boolean;
  ways: { label: string; filter: Partial<Filter> }[];
}

/** The answer to `grid`: a layout, whose heights come beside it, and its first texts. */
export interface GridAnswer {
  layout: number;
  turn: string;
  chars: number;
  texts: number;
  lines: number;
  said: string;
  /** The slice of the texts that is shown alone, in words. */
  slice: string;
  read: number;
  empty: Nothing | null;
  review: Review | null;
  from: number;
  blocks: Block[];
}

export interface Detail {
  index: number;
  path: string;
  column: number;
  /** The repeat whose reply this is, and what all of them gave. */
  repeat: number;
  groups: { times: string; text: string; state: CellState; repeats: number[] }[];
  name: string;
  description: string;
  quote?: { before: string; mark: string; after: string };
  absent?: string;
  failure?: Sentence | null;
  reply?: string;
  again?: string;
  facts: [name: string, value: string, more: { label?: string; said?: string }][];
}
