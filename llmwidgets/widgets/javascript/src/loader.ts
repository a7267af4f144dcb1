// All that a notebook keeps of a panel's code: it asks the kernel for the module and its style sheet.
//
// A saved notebook holds a widget's `_esm` once for every panel in it, so this is what stands there.
// The code comes by message, before the first state of a view.

import type { Hear, WidgetModel } from "./panel/protocol";

interface Model extends WidgetModel {
  get(name: "_anywidget_id"): string;
}

type Leave = () => void;
interface Widget {
  render(view: { model: WidgetModel; el: HTMLElement }): Leave;
}
interface Code {
  widget: Widget;
  style: string;
}

const WAITING = "Waiting for the kernel. If this stays, run the cell again.";
/** By the widget's class: anywidget gives each view a model object of its own. */
const loading = new Map<string, Promise<Code>>();

/** The code that draws a widget, which is asked for once. */
function load(model: Model): Promise<Code> {
  const id = model.get("_anywidget_id");
  const there = loading.get(id);
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
  loading.set(id, code);
  return code;
}

export default {
  initialize({ model }: { model: Model }): void {
    void load(model); // a view may be drawn a little later, and then need not wait
  },
  async render({ model, el }: { model: Model; el: HTMLElement }): Promise<Leave> {
    el.textContent = WAITING;
    const { widget, style } = await load(model);
    const sheet = document.createElement("style");
    sheet.textContent = style;
    el.replaceChildren(sheet);
    return widget.render({ model, el });
  },
};
