// A sheet over the panel, which has the focus while it is open and gives it back.

import { useLayoutEffect, useRef } from "preact/hooks";
import { focusOn } from "../panel/panel";
import { Button } from "../panel/parts";
import { Grow, Row, Small } from "./parts";
import { type Sheet, useKept, type View } from "./view";

export function SheetOver({ view }: { view: View }) {
  const [sheet, keep] = useKept<Sheet | null>("sheet", null);
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!sheet?.own) return;
    const target = ref.current!.querySelector<HTMLTextAreaElement>("textarea, .btn:not(.bare)");
    target!.focus();
    target!.select?.();
    target!.scrollTop = 0; // the code is read from its beginning
  }, [sheet]);
  if (!sheet) return null;
  const { title, from, said, text, actions, others } = sheet;
  const close = () => {
    keep(null);
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
