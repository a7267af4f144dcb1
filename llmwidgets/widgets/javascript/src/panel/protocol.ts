// What crosses between a page and its kernel, and whose act it answers.
//
// A view says `hello` and hears states; everything else it sends is an action. An action bears the
// act of the person that led to it, and so does whatever the kernel sends on account of it: only
// an answer to the newest act may move the focus.

/** Anything the kernel sends; `act` where it answers one. */
export interface Message {
  type: string;
  act?: string;
}

/** What stands where a panel will be. */
export const WAITING = "Waiting for the kernel. If this stays, run the cell again.";

export interface ErrorState {
  sentence: string;
  hint: string;
}

/** An error of a panel; `of` is the type of the action that led to it. */
export interface PanelError extends ErrorState {
  of?: string;
}

/** What every panel's state has. */
export interface PanelState extends Message {
  error: PanelError | null;
}

export type Content = Record<string, unknown>;
export type Buffers = readonly DataView[];
export type Hear = (message: Message, buffers: Buffers) => void;

/** The part of anywidget's model that a panel uses. */
export interface WidgetModel {
  send(content: unknown, callbacks?: unknown, buffers?: (ArrayBuffer | DataView)[]): void;
  on(event: "msg:custom", hear: Hear): void;
  off(event: "msg:custom", hear: Hear): void;
  widget_manager?: unknown;
}

/** A name that no other view, page or question has. */
export const freshName = (prefix: string): string =>
  `${prefix}-${Math.random().toString(36).slice(2, 10)}`;

/** The acts of whoever sits before this page, in their order. */
export class Acts {
  newest = "";
  /** The place of the newest act that a state has answered. */
  answered = 0;
  /** The place of the act that the newest state answers; 0 where it answers none. */
  drawn = 0;
  private readonly page = freshName("act");
  private count = 0;

  begin(): void {
    this.count += 1;
    this.newest = `${this.page}-${this.count}`;
  }

  /** The place of an act among those of this page; 0 for none. */
  static place(act: string | undefined): number {
    return Number((act ?? "").split("-").at(-1)) || 0;
  }

  answers(message: Message): boolean {
    return Boolean(message.act) && message.act === this.newest;
  }

  hear(message: Message): void {
    this.drawn = Acts.place(message.act);
    this.answered = Math.max(this.answered, this.drawn);
  }

  /** The content as it is sent: with the act that led to it. */
  mark(content: Content): Content {
    return this.newest ? { ...content, act: this.newest } : content;
  }
}

/** What to do with a newer value of a field: a person who is in it keeps what stands there, and so
    does what was typed after the state that brings the value. */
export function settle(
  revised: boolean,
  focused: boolean,
  own: boolean,
  later = false,
): "keep" | "wait" | "take" {
  if (!revised || later) return "keep";
  return focused && !own ? "wait" : "take";
}

/** Where a key leads in a list of `count` items; -1 for a key that leads nowhere. */
export function stepTo(key: string, at: number, count: number): number {
  if (at < 0) return -1;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[key];
  return step ? Math.min(count - 1, Math.max(0, at + step)) : -1;
}
