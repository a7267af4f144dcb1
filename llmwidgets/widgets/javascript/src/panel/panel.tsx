// The runtime of a widget: it says hello, draws each state it hears, and keeps focus and typing.
//
//   export default createWidget("Connections", App)    App gets { state }; usePanel() the rest
//
// While preact draws, no event is a person's: the browser says "change" of a field that is taken
// away. What had the focus and is gone hands it on: behind a person's own act to its namesake
// (data-focus), else to the step that leads on (data-next, data-main); behind a state that arrives
// by itself to the panel, where no key does anything.

import { type ComponentType, createContext, options, render } from "preact";
import { useContext, useLayoutEffect, useState } from "preact/hooks";
import "./look.css";
import { type Loss, watchKernel } from "./kernel";
import { LossNote } from "./loss";
import { acts, drawing, emptySecrets, focused, focusIn, followTyping } from "./page";
import {
  type Buffers,
  type Content,
  type Message,
  type PanelState,
  WAITING,
  type WidgetModel,
} from "./protocol";

export interface Panel<S extends PanelState = PanelState> {
  readonly root: HTMLElement;
  readonly model: WidgetModel;
  state: S | null;
  /** Why nothing here does anything now. */
  loss: Loss;
  send(type: string, content?: Content, buffers?: (ArrayBuffer | DataView)[]): void;
  /** Whether this answers the newest thing that a person did in the page. */
  answers(message: Message): boolean;
  /** Load a part of the module; at the end it is here, unless the kernel is gone. */
  loadPart(part: string): Promise<void>;
  /** Hear every message of a type; returns what ends it. */
  listen<M extends Message>(type: string, hear: (message: M, buffers: Buffers) => void): () => void;
}

/** What a module leaves out until it is needed (src/WIDGET.PART.ts): its exports, and its style. */
interface Part {
  module: object;
  style: string;
}

interface View {
  model: WidgetModel;
  el: HTMLElement;
  /** Load a part from the kernel, once. */
  load?(part: string): Promise<Part>;
}

interface Options<S extends PanelState> {
  /** Once, before the first state. */
  begin?(panel: Panel<S>): void;
  /** Behind each drawing; `own` says whether a person's act led to it. */
  after?(panel: Panel<S>, own: boolean): void;
  /** The part that this state is drawn with; the state waits for it. */
  needs?(state: S): string;
  /** What a new kernel finds and what it does not, behind "Run this cell again: ". */
  kept?(state: S): string;
}

/** A connection that breaks and is there again at once is nobody's concern; but what is typed meanwhile
    is not sent. */
const SILENT_MS = 2000;
const PERSONAL = ["pointerdown", "keydown", "click", "input", "change", "paste", "drop"];
const parts = new Map<string, Part>();
const open = new Map<Panel, Options<PanelState>>();
/** Around whatever is drawn by a `render` of its own. */
export const PanelContext = createContext<Panel | null>(null);
let handling = false;

options.event = (event) => {
  handling = true;
  queueMicrotask(() => {
    handling = false;
  });
  return event;
};
options.debounceRendering = (flush) => {
  const own = handling || drawing.own;
  queueMicrotask(() => draw(own, flush));
};

/** The panel in which this component stands. */
export function usePanel<S extends PanelState = PanelState>(): Panel<S> {
  return useContext(PanelContext) as unknown as Panel<S>;
}

/** Hear every message of a type for as long as the component is there. */
export function useMessage<M extends Message>(
  type: string,
  hear: (message: M, buffers: Buffers) => void,
): void {
  const panel = usePanel();
  useLayoutEffect(() => panel.listen(type, hear));
}

/** What a part exports, which is here already. */
export function getPart<T>(name: string): T {
  return parts.get(name)?.module as T;
}

/** What a part exports, or undefined until it is here. */
export function usePart<T>(name: string): T | undefined {
  const panel = usePanel();
  const [, redraw] = useState(0);
  const missing = name !== "" && !parts.has(name);
  useLayoutEffect(() => {
    if (missing) panel.loadPart(name).then(() => redraw((count) => count + 1));
  }, [missing]);
  return getPart<T | undefined>(name);
}

function addStyle({ root }: Panel, { style }: Part): void {
  root.before(Object.assign(document.createElement("style"), { textContent: style }));
}

/** Put the focus on what bears this `data-focus`, once it is drawn. */
export function focusOn(panel: Panel, name: string): void {
  setTimeout(() =>
    panel.root.querySelector<HTMLElement>(`[data-focus="${CSS.escape(name)}"]`)?.focus(),
  );
}

function draw(own: boolean, work: () => void): void {
  const held = [...open.keys()].map((panel) => [panel.root, focusIn(panel.root)] as const);
  Object.assign(drawing, { now: true, own });
  try {
    work();
    drawing.now = false;
    for (const [root, before] of held) if (before && !focusIn(root)) passFocus(root, before, own);
    for (const [panel, { after }] of open) {
      if (!panel.state) continue;
      rest(panel);
      after?.(panel, own);
    }
  } finally {
    Object.assign(drawing, { now: false, own: false });
  }
}

/** Without a kernel nothing in the panel can be pressed or typed into but what says so. */
function rest({ root, loss }: Panel): void {
  root.classList.toggle("lost", loss !== "");
  for (const each of root.children as Iterable<HTMLElement> & HTMLCollection)
    (each as HTMLElement).inert = loss !== "" && !each.matches(".lw-loss");
}

/** From what had the focus and lost it to what comes next. */
function passFocus(root: HTMLElement, held: HTMLElement, own: boolean): void {
  const find = (selector: string) => (own ? root.querySelector<HTMLElement>(selector) : null);
  const name = held.dataset.focus;
  const next =
    (root.contains(held) && held) ||
    (name && find(`[data-focus="${CSS.escape(name)}"]`)) ||
    find("[data-next]") ||
    find("[data-main]") ||
    root;
  next.focus({ preventScroll: true });
}

/**
 * The panel keeps its key events, so that the notebook's shortcuts stay asleep inside it.
 *
 * Notebook 7 hears a key before the panel does, and looks for the mark at the focus first.
 */
function keepKeys(root: HTMLElement): void {
  for (const kind of ["keydown", "keyup", "keypress"]) {
    root.addEventListener(kind, (event) => {
      if (
        (event as KeyboardEvent).key === "Escape" &&
        kind === "keydown" &&
        !event.defaultPrevented
      ) {
        const cell = root.closest(".jp-Cell, .jp-OutputArea");
        focused(root)?.blur();
        cell?.closest<HTMLElement>("[tabindex]")?.focus();
        return; // nothing was open: the keys go back to the notebook
      }
      event.stopPropagation();
    });
  }
  root.addEventListener(
    "focusin",
    (event) => {
      (event.target as HTMLElement).dataset.lmSuppressShortcuts = "true";
    },
    true,
  );
}

function makeRoot(label: string, isDead: (event: Event) => boolean): HTMLElement {
  const root = document.createElement("section");
  root.className = `lw ${OWN}`;
  root.tabIndex = -1;
  root.setAttribute("aria-label", label);
  root.setAttribute("aria-busy", "true");
  keepKeys(root);
  for (const kind of [...PERSONAL, "focusin", "focusout", "blur"]) {
    root.addEventListener(
      kind,
      (event) => {
        if (drawing.now || isDead(event)) event.stopImmediatePropagation();
        else if (PERSONAL.includes(kind)) acts.begin();
      },
      true,
    );
  }
  followTyping(root);
  return root;
}

/** What anywidget wants of a module: `App` draws each state the kernel sends. */
export function createWidget<S extends PanelState>(
  label: string,
  App: ComponentType<{ state: S }>,
  opts: Options<S> = {},
) {
  return {
    render({ model: own, el, load }: View): () => void {
      const root = makeRoot(
        label,
        ({ type }) => panel.loss !== "" || (waiting && type === "change"),
      );
      const listeners = new Map<string, Set<(message: never, buffers: Buffers) => void>>();
      let typed = false;
      let timer = 0;
      let waiting = false;
      let left: HTMLElement | null = null;
      const gone = () => panel.loss !== "" && panel.loss !== "silent";
      const hearLoss = (loss: Loss) => {
        clearTimeout(timer);
        waiting = loss === "silent";
        if (waiting) timer = window.setTimeout(lose, SILENT_MS, loss);
        else lose(loss);
      };
      const lose = (loss: Loss) => {
        if (loss === panel.loss || (gone() && loss !== "died")) return;
        const back = panel.loss === "silent" && !loss;
        if (!panel.loss) left = focusIn(root);
        Object.assign(panel, { loss });
        if (gone() && emptySecrets(root)) typed = true;
        if (panel.state) redraw(false);
        if (left && loss) root.focus({ preventScroll: true });
        if (!back) return;
        if (root === focused(root)) left?.focus({ preventScroll: true });
        panel.send("hello"); // what was sent meanwhile may not have come
      };
      // Behind a comm that ended with its kernel everything sent would be lost, and throws.
      const end = () => queueMicrotask(() => lose("ended"));
      const model: WidgetModel = {
        send(...given) {
          try {
            if (!gone()) own.send(...given);
          } catch {
            end();
          }
        },
        on: (event, hear) => own.on(event, hear),
        off: (event, hear) => own.off(event, hear),
        widget_manager: own.widget_manager,
      };
      const panel: Panel<S> = {
        root,
        model,
        state: null,
        loss: "",
        send(type, content, buffers = []) {
          model.send(acts.mark({ type, ...content }), undefined, buffers);
        },
        answers: (message) => acts.answers(message),
        async loadPart(name) {
          const part = await load!(name).catch(end);
          if (!part || parts.has(name)) return;
          parts.set(name, part);
          for (const each of open.keys()) addStyle(each, part);
        },
        listen(type, hear) {
          if (!listeners.has(type)) listeners.set(type, new Set());
          listeners.get(type)?.add(hear);
          return () => listeners.get(type)?.delete(hear);
        },
      };
      const show = (state: S) => {
        panel.state = state;
        acts.hear(state);
        root.removeAttribute("aria-busy");
        redraw(acts.answers(state));
      };
      const redraw = (own: boolean) => {
        const { loss } = panel;
        const state = panel.state!;
        draw(own, () =>
          render(
            <PanelContext.Provider value={panel as unknown as Panel}>
              <App state={state} />
              {loss && <LossNote loss={loss} kept={opts.kept?.(state) ?? ""} typed={typed} />}
            </PanelContext.Provider>,
            root,
          ),
        );
      };
      let newest: Message;
      const hear = (message: Message, buffers: Buffers) => {
        if (gone()) return;
        if (message.type !== "state") {
          for (const each of [...(listeners.get(message.type) ?? [])])
            each(message as never, buffers);
          return;
        }
        newest = message;
        const state = message as S;
        const needed = opts.needs?.(state);
        if (!needed || parts.has(needed)) show(state);
        else
          panel.loadPart(needed).then(() => parts.has(needed) && newest === message && show(state));
      };
      render(<p class="waiting muted">{WAITING}</p>, root);
      el.append(root);
      for (const part of parts.values()) addStyle(panel as unknown as Panel, part);
      open.set(panel as unknown as Panel, opts as Options<PanelState>);
      opts.begin?.(panel);
      model.on("msg:custom", hear);
      const leave = watchKernel(model, hearLoss);
      panel.send("hello");
      return () => {
        leave();
        clearTimeout(timer);
        model.off("msg:custom", hear);
        open.delete(panel as unknown as Panel);
        render(null, root);
      };
    },
  };
}
