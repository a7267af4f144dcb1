// The comparison panel: which screen is shown, and the messages that are not a state.

import TABS from "comparison-tabs";
import { useLayoutEffect, useReducer } from "preact/hooks";
import { EditorScreen } from "./comparison/editor";
import { type Code, embed, SheetOver, showCode } from "./comparison/embedded";
import { ResultScreen } from "./comparison/results";
import { RunningScreen } from "./comparison/running";
import { SetupScreen } from "./comparison/setup";
import type { Detail, GridAnswer, State } from "./comparison/state";
import { type Answer, openView, useView, type View } from "./comparison/view";
import { createWidget, type Panel } from "./panel/panel";
import { download } from "./panel/parts";
import type { Buffers } from "./panel/protocol";
import "./comparison/comparison.css";

interface File extends Answer {
  name: string;
  mime: string;
}

type Hear = (view: View, message: never, buffers: Buffers) => void;

const put: Hear = (view, message) => view.put(message);

const MESSAGES: Record<string, Hear> = {
  ...Object.fromEntries(Object.keys(TABS).map((name) => [name, put])),
  grid: (view, message: GridAnswer, buffers) => view.grid?.lay(message, buffers),
  blocks: (view, message: GridAnswer) => view.grid?.take(message),
  changed: (view, message) => view.grid?.changed(message),
  detail: (view, message: Detail) => view.grid?.detail(message),
  scores: put,
  grounding: put,
  code: (view, message: Code) => void showCode(view, message),
  file: (_, { name, mime }: File, [content]) => download(name, [content as BlobPart], mime),
  embed: (view, message) => void embed(view, message),
};

function Comparison({ state }: { state: State }) {
  const view = useView();
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  view.redraw = () => redraw(undefined);
  view.take(state);
  useLayoutEffect(() => {
    view.drawn = true; // behind what the parts do at their first drawing
  });
  return (
    <>
      {state.screen === "setup" && <SetupScreen {...state} />}
      {state.screen === "fields" && <EditorScreen {...state} />}
      {state.screen === "running" && <RunningScreen {...state} />}
      {state.screen === "results" && <ResultScreen {...state} />}
      <SheetOver view={view} />
    </>
  );
}

function begin(panel: Panel<State>): void {
  const view = openView(panel);
  panel.root.classList.add("lw-comparison");
  panel.root.addEventListener("keydown", (e) => searchKey(e, panel.root));
  for (const [type, hear] of Object.entries(MESSAGES)) {
    panel.listen(type, (message: Answer, buffers) => {
      if (message.run === undefined || message.run === view.run)
        hear(view, message as never, buffers);
    });
  }
}

/** "/" goes to the search box of what is shown, except where it is typed. */
function searchKey(e: KeyboardEvent, root: HTMLElement): void {
  const box = root.querySelector<HTMLElement>(".lw-search input");
  if (e.key !== "/" || !box || /^(INPUT|TEXTAREA|SELECT)$/.test((e.target as Element).nodeName))
    return;
  e.preventDefault();
  box.focus();
}

export default createWidget<State>("Comparison", Comparison, { begin });
