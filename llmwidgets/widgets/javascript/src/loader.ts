// All that a notebook keeps of a panel's code: it asks the kernel for the module and its style sheet.
//
// A saved notebook holds a widget's `_esm` once for every panel in it, so this is what stands there.
// The code comes by message, before the first state of a view; a part that the module leaves out
// comes when the module asks for it, and imports what it shares with the module as "lw".

import { type Hear, type Message, WAITING, type WidgetModel } from "./panel/protocol";

interface Model extends WidgetModel {
  get(name: "_anywidget_id"): string;
}

type Leave = () => void;
interface Widget {
  render(view: { model: WidgetModel; el: HTMLElement; load: (part: string) => unknown }): Leave;
}
interface Code {
  module: { default: Widget };
  style: string;
  url: string;
}

/** After which an unanswered question is asked again; then after twice as long, and so on. */
const AGAIN_MS = 500;

/** By the widget's class: anywidget gives each view a model object of its own. */
const loading = new Map<string, Promise<Code>>();

/** The code that draws a widget or a part of it, which is asked for once. */
function load(model: Model, part = ""): Promise<Code> {
  const id = `${model.get("_anywidget_id")} ${part}`;
  const there = loading.get(id);
  if (there) return there;
  const code = new Promise<Code>((resolve, reject) => {
    const hear: Hear = async (message: Message & { part?: string }, buffers) => {
      if (message.type !== "module" || (message.part ?? "") !== part) return;
      model.off("msg:custom", hear);
      clearTimeout(timer);
      const [text, style] = buffers.map((each) => new TextDecoder().decode(each));
      const whole = part ? text!.replace(/"lw"/, JSON.stringify((await load(model)).url)) : text!;
      const url = URL.createObjectURL(new Blob([whole], { type: "text/javascript" }));
      resolve({ module: await import(url), style: style!, url });
    };
    model.on("msg:custom", hear);
    // JupyterLab gives a new panel its way past the cells that run a moment after the panel is
    // there: what is asked first may wait for all of them, what is asked again does not.
    let timer = 0;
    const ask = (pause: number) => {
      try {
        model.send({ type: "module", part });
        timer = window.setTimeout(ask, pause, 2 * pause);
      } catch (error) {
        reject(error);
      }
    };
    ask(AGAIN_MS);
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
    const { module, style } = await load(model);
    const sheet = document.createElement("style");
    sheet.textContent = style;
    el.replaceChildren(sheet);
    return module.default.render({ model, el, load: (part) => load(model, part) });
  },
};
