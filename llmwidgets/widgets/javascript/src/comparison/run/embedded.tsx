// The connection panel inside the comparison panel.

import { useLayoutEffect, useRef } from "preact/hooks";
import { focusOn } from "../../panel/panel";
import { Button } from "../../panel/parts";
import { Aside, Grow } from "../parts";
import { type Answer, useKept, type View } from "../view";

interface Manager {
  get_model(id: string): Promise<unknown>;
  create_view?(model: unknown): Promise<{ el: HTMLElement }>;
}

/** Another widget inside this one, where the page has a manager of widgets. */
export async function embed(view: View, message: Answer & { model: string }): Promise<void> {
  const manager = view.panel.model.widget_manager as Manager | undefined;
  if (!manager?.create_view) {
    view.set("sheet", {
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

/** The connection panel, inside this one. */
export function Embedded() {
  const [inside, keep] = useKept<HTMLElement | null>("embedded", null);
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (inside) place.current!.append(inside);
  }, [inside]);
  return (
    inside && (
      <div class="lw-embed">
        <div class="row">
          <Aside>What is connected here can be ticked below.</Aside>
          <Grow />
          <Button small data-focus="embedded" onClick={() => keep(null)}>
            Done
          </Button>
        </div>
        <div ref={place} />
      </div>
    )
  );
}
