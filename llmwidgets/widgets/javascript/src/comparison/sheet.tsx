// A sheet over the panel: code to copy, a question. It is a part of its own, loaded at its first use.

import { useLayoutEffect, useRef } from "preact/hooks";
import { focusOn } from "../panel/panel";
import { Button, copied } from "../panel/parts";
import { Grow, Row, Small } from "./parts";
import type { Answer, Sheet, View } from "./view";

/** Below a sheet, as at its sides. */
const MARGIN = 16;

function openSheet(view: View, sheet: Sheet): void {
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

/** Keep the sheet below the header, and the panel as tall as it is, for as long as it is open. */
function holdWhole(root: HTMLElement, sheet: HTMLElement): () => void {
  const header = root.querySelector<HTMLElement>(":scope > header");
  const hold = () => {
    sheet.style.top = `${header?.offsetHeight ?? 0}px`;
    root.style.minHeight = `${sheet.offsetTop + sheet.offsetHeight + MARGIN}px`;
  };
  // The header too: it can take a second line.
  const watch = new ResizeObserver(hold);
  for (const each of [sheet, header]) if (each) watch.observe(each);
  hold();
  return () => {
    watch.disconnect();
    root.style.minHeight = "";
  };
}

export function SheetOver({ view, sheet }: { view: View; sheet: Sheet }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => holdWhole(view.panel.root, ref.current!), []);
  useLayoutEffect(() => {
    if (!sheet.own) return;
    const target = ref.current!.querySelector<HTMLTextAreaElement>("textarea, .btn:not(.bare)");
    target!.focus();
    target!.select?.();
    target!.scrollTop = 0; // the code is read from its beginning
  }, [sheet]);
  const { title, from, said, text, actions, others } = sheet;
  const close = () => {
    view.set("sheet", null);
    focusOn(view.panel, from);
  };
  return (
    <div
      ref={ref}
      class="lw-sheet"
      role="dialog"
      aria-label={title}
      onKeyDown={(e) => {
        if (e.key !== "Escape") return;
        e.preventDefault();
        close();
      }}
    >
      <div class="row">
        <h3>{title}</h3>
        <Grow />
        <Button bare small onClick={close}>
          Close
        </Button>
      </div>
      {said && <Small>{said}</Small>}
      {text !== undefined && (
        <textarea
          class="in m"
          readOnly
          rows={Math.min(16, text.split("\n").length + 1)}
          value={text}
          aria-label={title}
          spellcheck={false}
        />
      )}
      {others && (
        <Row>
          <Small>{others.caption}</Small>
          {others.choices.map(([label, run]) => (
            <Button key={label} bare small onClick={run}>
              {label}
            </Button>
          ))}
        </Row>
      )}
      {actions && (
        <Row>
          {actions.map(([label, run], n) => (
            <Button
              key={label}
              go={n === 0}
              onClick={() => {
                close();
                run();
              }}
            >
              {label}
            </Button>
          ))}
        </Row>
      )}
    </div>
  );
}
