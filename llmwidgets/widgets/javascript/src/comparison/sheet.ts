// What a sheet over the panel says: code to copy, a question. And how another panel comes inside.

import { focusOn } from "../panel/panel";
import { copied } from "../panel/parts";
import type { Answer, Sheet, View } from "./view";

interface Manager {
  get_model(id: string): Promise<unknown>;
  create_view?(model: unknown): Promise<{ el: HTMLElement }>;
}

/** Another widget inside this one, where the page has a manager of widgets. */
export async function embed(view: View, message: Answer & { model: string }): Promise<void> {
  const manager = view.panel.model.widget_manager as Manager | undefined;
  if (!manager?.create_view) {
    openSheet(view, {
      title: "Connections",
      from: "connections",
      text: "lw.ConnectionPanel()",
      said: "Run this in a cell; what is connected there appears here.",
      own: view.panel.answers(message),
    });
    return;
  }
  const { el } = await manager.create_view(await manager.get_model(message.model));
  view.set("embedded", el);
  if (view.panel.answers(message)) focusOn(view.panel, "embedded");
}

export function openSheet(view: View, sheet: Sheet): void {
  view.set("sheet", sheet);
}

export function askForReport(view: View): void {
  const save = (values: boolean) => view.send("result.html", { values });
  openSheet(view, {
    title: "Report as HTML",
    from: "html",
    said: "Without values it holds scores, marks and field names. With values it also holds what was extracted; never the texts.",
    actions: [
      ["Without values", () => save(false)],
      ["With values", () => save(true)],
    ],
    own: true,
  });
}

export interface Code extends Answer {
  title: string;
  text: string;
  said?: string;
  from?: string;
  /** Columns that can be had as code of their own. */
  alone?: { column: number; label: string }[];
}

/** Code to copy, which is in the clipboard already where the page may write there. */
export async function showCode(view: View, message: Code): Promise<void> {
  const done = (await copied(message.text)) ? "Copied." : "Select and copy it.";
  const { title, text, from = "code", said = "", alone = [] } = message;
  const shown = view.panel.state?.screen === "results" ? alone : [];
  const choices = shown.map(({ column, label }): [string, () => void] => [
    label,
    () => view.send("result.plain", { column }),
  ]);
  openSheet(view, {
    title,
    text,
    from,
    said: `${said} ${done}`.trim(),
    ...(choices.length && { others: { caption: "One model, without llmwidgets:", choices } }),
    own: view.panel.answers(message),
  });
}
