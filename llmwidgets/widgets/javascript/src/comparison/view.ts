// What the page itself remembers of a comparison: the tab, the filter, answers that came already.
//
// The state holds what fits in a glance. Everything else (rows, texts, scores, requests) is asked
// for by message and kept until the result changes.

import { focusOn, getPart, type Panel, usePanel } from "../panel/panel";
import type { Buffers, Message } from "../panel/protocol";
import type { Grid } from "./grid/grid";
import type { Filter } from "./grid/order";
import type { State } from "./state";

export interface Sheet {
  title: string;
  /** What had the focus before, by its data-focus. */
  from: string;
  said?: string;
  text?: string;
  actions?: [label: string, run: () => void][];
  /** Other texts that can take the place of this one, under a caption. */
  others?: { caption: string; choices: [label: string, run: () => void][] };
  own?: boolean;
}

/** An answer of the kernel; one that belongs to an older result is not heard. */
export interface Answer extends Message {
  edition?: number;
}

/** What the page asks by, by the type of the answer; NAME.show where nothing is said here. */
const QUESTIONS: Record<string, string> = {
  text: "result.text",
  request: "result.request",
  grounding: "scores.grounding",
  kinds: "kinds.show",
  kind_rows: "kinds.rows",
  doubt: "scores.doubt",
};

export class View {
  tab = "differences";
  filter: Filter = { only: "disagree", states: [], field: "", query: "", sort: "loud" };
  text: { index: number; path: string | null; repeat?: number } = { index: 0, path: null };
  request: { index: number; column: number; repeat?: number } = { index: 0, column: 0 };
  grid: Grid | null = null;
  /** Whether the column of truth is shown though nothing is labelled yet. */
  labelling = false;
  /** Where the cursor is to stand in the next layout of the grid. */
  column = 0;
  /** The row of a text where it is to stand there. */
  aim: { id: string; path: string } | null = null;
  drawn = false;
  edition = -1;
  redraw: () => void = () => {};
  private place = "";
  private revision = -1;
  private live = false;
  private kept: Record<string, unknown> = {};
  private answers: Record<string, unknown> = {};
  private asked: Record<string, string> = {};
  private heard = new Set<string>();

  constructor(readonly panel: Panel<State>) {}

  get state(): State {
    return this.panel.state!;
  }

  /** A new result makes answers to the old one void; a label or a reply some of them. What is open
      over one view is not for another. */
  take(state: State): void {
    const place = state.screen + this.tab;
    if (this.place !== place) this.kept.sheet = null;
    this.place = place;
    if (state.screen !== "results") return;
    const { edition, revision, live } = state.result;
    if (this.edition !== edition) {
      this.edition = edition;
      this.answers = {};
      this.asked = {};
      this.grid = null;
    }
    if (this.revision !== revision) {
      this.revision = revision;
      const moved = [
        "scores",
        "doubt",
        "kinds",
        "kind_rows",
        "text",
        ...(live || this.live ? ["grounding"] : []),
      ];
      for (const name of moved) {
        delete this.answers[name];
        delete this.asked[name];
      }
    }
    this.live = live;
  }

  send(type: string, content?: object, buffers?: DataView[]): void {
    this.panel.send(type, content as Record<string, unknown>, buffers);
  }

  /** Hear every message of a type that belongs to the result that is shown. */
  hear<M extends Answer>(type: string, hear: (message: M, buffers: Buffers) => void): void {
    this.heard.add(type);
    this.panel.listen<M>(type, (message, buffers) => {
      if (message.edition === undefined || message.edition === this.edition) hear(message, buffers);
    });
  }

  /** What came last to a question, or null until something came; asked once, unless it fits. */
  need<T>(type: string, content: object = {}, fits: (answer: T) => boolean = () => true): T | null {
    const there = this.answers[type] as T | undefined;
    if (there && fits(there)) return there;
    if (!this.heard.has(type)) this.hear(type, (answer) => this.put(answer));
    const asked = JSON.stringify(content);
    if (this.asked[type] !== asked) {
      this.asked[type] = asked;
      this.send(QUESTIONS[type] ?? `${type}.show`, content);
    }
    return there ?? null;
  }

  /** Ask anew where this is needed the next time. */
  forget(type: string): void {
    delete this.answers[type];
    delete this.asked[type];
  }

  private put(answer: Answer): void {
    this.answers[answer.type] = answer;
    this.redraw();
  }

  get<T>(name: string, initial: T): T {
    return (this.kept[name] as T) ?? initial;
  }

  set(name: string, value: unknown): void {
    this.kept[name] = value;
    this.redraw();
  }

  /** Show a tab; the focus goes to what bears this data-focus. */
  show(tab: string, change: Partial<Pick<View, "text" | "request">> = {}, focus = ""): void {
    Object.assign(this, change, { tab });
    this.redraw();
    if (focus) focusOn(this.panel, focus);
  }

  /** Show the scores, and the grid, of one slice of the texts alone; -1 is all texts. */
  slice(at: number, by?: string): void {
    this.send("scores.slice", by === undefined ? { at } : { at, by });
    this.forget("kind_rows");
    // What is in sight stays until the answer of the slice takes its place.
    if (this.tab === "scoreboard" && this.answers.kinds) this.send("kinds.show");
    else this.forget("kinds");
    this.grid?.ask();
  }

  /** Lay the grid out by another filter; the order of review has none, and begins anew. */
  narrow(change: Partial<Filter>): void {
    const { sort } = this.filter;
    Object.assign(this.filter, { sort: sort === "review" ? "loud" : sort }, change);
    if (this.grid) this.grid.order = { most: 0 };
    if (change.query === "") this.kept["find-values"] = "";
    this.grid?.ask();
    this.redraw();
  }
}

const views = new WeakMap<Panel, View>();

export function openView(panel: Panel<State>): View {
  const view = new View(panel);
  views.set(panel as unknown as Panel, view);
  return view;
}

export function useView(): View {
  return views.get(usePanel())!;
}

type SheetPart = typeof import("../comparison_panel.sheet");

/** Do something with the part that opens sheets, once it is here. */
export async function withSheets(view: View, act: (part: SheetPart) => void): Promise<void> {
  await view.panel.loadPart("sheet");
  const part = getPart<SheetPart | undefined>("sheet");
  if (part) act(part);
}

/** A choice of the person that outlives its component. */
export function useKept<T>(name: string, initial: T): [T, (value: T) => void] {
  const view = useView();
  return [view.get(name, initial), (value) => view.set(name, value)];
}
