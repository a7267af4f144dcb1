// The comparison panel: which screen is shown, and the messages that are not a state.

import { useLayoutEffect, useReducer } from "preact/hooks";
import { ResultScreen } from "./comparison/results";
import type { Code } from "./comparison/sheet";
import type { Detail, GridAnswer, State } from "./comparison/state";
import { type Answer, openView, type Sheet, useKept, useView, withSheets } from "./comparison/view";
import { searchKey } from "./panel/page";
import { createWidget, getPart, type Panel, usePart } from "./panel/panel";
import { download } from "./panel/parts";
import "./comparison/comparison.css";

type RunPart = typeof import("./comparison_panel.run");
type SheetPart = typeof import("./comparison_panel.sheet");
type ViewsPart = typeof import("./comparison_panel.views");

interface File extends Answer {
  name: string;
  mime: string;
}

function Comparison({ state }: { state: State }) {
  const view = useView();
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  view.redraw = () => redraw(undefined);
  view.take(state);
  useLayoutEffect(() => {
    view.drawn = true; // behind what the parts do at their first drawing
  });
  const run = getPart<RunPart>("run");
  const views = getPart<ViewsPart>("views");
  const [sheet] = useKept<Sheet | null>("sheet", null);
  const sheets = usePart<SheetPart>(sheet ? "sheet" : "");
  return (
    <>
      {state.screen === "setup" && <run.SetupScreen {...state} />}
      {state.screen === "fields" && <run.EditorScreen {...state} />}
      {state.screen === "running" && <run.RunningScreen {...state} />}
      {state.screen === "results" && <ResultScreen {...state} />}
      {state.screen === "runs" && <views.RunsScreen {...state} />}
      {sheet && sheets && <sheets.SheetOver view={view} sheet={sheet} />}
    </>
  );
}

function begin(panel: Panel<State>): void {
  const view = openView(panel);
  panel.root.classList.add("lw-comparison");
  panel.root.addEventListener("keydown", (e) => searchKey(e, panel.root));
  view.hear<GridAnswer & Answer>("grid", (message, buffers) => view.grid?.lay(message, buffers));
  view.hear<GridAnswer & Answer>("blocks", (message) => view.grid?.take(message));
  view.hear<GridAnswer & Answer>("changed", (message) => view.grid?.changed(message as never));
  view.hear<Detail & Answer>("detail", (message) => view.grid?.opened.fill(message));
  view.hear<Answer & { said: string }>("reviewing", ({ said }) => view.set("reviewing", said));
  view.hear<Code>("code", (message) =>
    withSheets(view, (sheets) => sheets.showCode(view, message)),
  );
  view.hear<File>("file", ({ name, mime }, [content]) =>
    download(name, [content as BlobPart], mime),
  );
  view.hear<Answer & { model: string }>("embed", (message) =>
    getPart<RunPart>("run").embed(view, message),
  );
}

export default createWidget<State>("Comparison", Comparison, {
  begin,
  kept: ({ screen }) =>
    screen === "setup" || screen === "fields"
      ? "what was chosen here and not run is gone"
      : "replies in the journal are not paid for twice; labels not saved are gone",
  needs: ({ screen }) => ({ results: "", runs: "views" })[screen as string] ?? "run",
});
