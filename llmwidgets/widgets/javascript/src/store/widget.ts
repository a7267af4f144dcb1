// What every widget over a store does: it seals what is typed, and Enter takes the next step.

import type { ComponentType } from "preact";
import { submitForm } from "../connections/submit";
import { focused, searchKey } from "../panel/page";
import { createWidget, type Panel } from "../panel/panel";
import { startSealing } from "../panel/sealing";
import type { StorePanelState } from "./state";
import "../connections/connections.css"; // behind the look that all share

type StorePanel = Panel<StorePanelState>;

const FIELDS = "input[data-field], textarea[data-field], [data-secret]";

export function createStoreWidget<S extends StorePanelState>(
  label: string,
  App: ComponentType<{ state: S }>,
) {
  return createWidget<S>(label, App, {
    begin(panel) {
      startSealing(panel);
      followEnter(panel);
      panel.root.addEventListener("keydown", (event) => searchKey(event, panel.root));
      tellTyping(panel);
    },
    after: leadOn,
    kept: ({ store }) =>
      store.memory
        ? "this store was kept in memory alone, so its connections are gone"
        : "saved connections are safe; what was typed and not saved is gone",
  });
}

/** Enter in a field of the form presses the step that leads on. */
function followEnter(panel: StorePanel): void {
  panel.root.addEventListener("keydown", (event) => {
    const form = panel.state?.form;
    const inField = (event.target as Element).matches(FIELDS);
    if (!form || !inField || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submitForm(panel, form, "form.test", {
      intent: form.origin === "session" ? "session" : "save",
    });
  });
}

/** The kernel hears that a form is being filled in, so that it is not put away; never what is typed. */
function tellTyping(panel: StorePanel): void {
  let told = "";
  panel.root.addEventListener("input", ({ target }) => {
    const form = panel.state?.form;
    if (!form || told === form.rev || !(target as Element).closest(".field")) return;
    told = form.rev;
    panel.send("form.typing", { form: form.key });
  });
}

/** Who pressed Test finds the focus on what is wrong, or the step that mends it. */
function leadOn({ root, state }: StorePanel, own: boolean): void {
  const next =
    root.querySelector<HTMLElement>("[data-next]") ??
    root.querySelector<HTMLElement>("[aria-invalid=true]");
  const sign = next
    ? [state?.store.gate, state?.form?.key, next.dataset.focus, next.ariaInvalid].join(" ")
    : "";
  if (sign && own && root.dataset.led !== sign && focused(root)?.matches(".lw [data-main]")) {
    next?.focus({ preventScroll: true });
  }
  root.dataset.led = sign;
}
