// What stands in the form, read when a step is taken: plain values as they are, secrets sealed.

import type { Panel } from "../panel/panel";
import type { Content } from "../panel/protocol";
import { inOrder, sendSecret } from "../panel/sealing";
import type { FormState } from "./state";

/** What the inputs say, without any secret. */
export function readValues(root: HTMLElement): Content {
  const values: Record<string, unknown> = {};
  for (const control of root.querySelectorAll<HTMLInputElement>("[data-field]")) {
    const { field = "", part } = control.dataset;
    const said = control.type === "checkbox" ? control.checked : control.value;
    values[field] = part ? { ...(values[field] as object), [part]: said } : said;
  }
  return values;
}

/** Send a header that is typed whole; half of one stays where it is. */
export function sendHeader(panel: Panel, form: FormState, row: Element): void {
  const [name, value] = row.querySelectorAll("input");
  const header = name.value.trim();
  if (!header || !value.value) return;
  sendSecret(panel.model, value, "headers", { form: form.key, header });
  name.value = "";
}

/** Send what stands in the secret inputs, then the action: never the other way round. */
export function submitForm(panel: Panel, form: FormState, type: string, more: Content = {}): void {
  const { model, root } = panel;
  for (const input of root.querySelectorAll<HTMLInputElement>("[data-secret]")) {
    sendSecret(model, input, input.dataset.secret!, { form: form.key });
  }
  for (const row of root.querySelectorAll(".newheader")) sendHeader(panel, form, row);
  const values = readValues(root);
  inOrder(model, () => panel.send(type, { form: form.key, values, ...more }));
}
