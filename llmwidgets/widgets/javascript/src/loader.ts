// All that a notebook keeps of a panel's code: it asks the kernel for the module and its style sheet.
//
// A saved notebook holds a widget's `_esm` once for every panel in it, so this is what stands there.
// The code comes by message when a view is drawn, before its first state.

import type { Hear, WidgetModel } from "./panel/protocol";

type Leave = () => void;
interface Widget {
  render(view: { model: WidgetModel; el: HTMLElement }): Leave;
}
interface Code {
  widget: Widget;
  style: string;
}

const WAITING = "Waiting for the kernel. If this stays, run the cell again.";
const loading = new WeakMap<WidgetModel, Promise<Code>>();

/** The code of a model's views, which is asked for once. */
function load(model: WidgetModel): Promise<Code> {
  const there = loading.get(model);
  if (there) return there;
  const code = new Promise<Code>((resolve) => {
    const hear: Hear = async ({ type }, buffers) => {
      if (type !== "module") return;
      model.off("msg:custom", hear);
      const [module, style] = buffers.map((each) => new TextDecoder().decode(each));
      const url = URL.createObjectURL(new Blob([module!], { type: "text/javascript" }));
      const { default: widget } = await import(url);
      URL.revokeObjectURL(url);
      resolve({ widget, style: style! });
    };
    model.on("msg:custom", hear);
    model.send({ type: "module" });
  });
  loading.set(model, code);
  return code;
}

export default {
  async render({ model, el }: { model: WidgetModel; el: HTMLElement }): Promise<Leave> {
    el.textContent = WAITING;
    const { widget, style } = await load(model);
    const sheet = document.createElement("style");
    sheet.textContent = style;
    el.replaceChildren(sheet);
    return widget.render({ model, el });
  },
};
