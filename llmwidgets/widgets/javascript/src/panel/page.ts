// What holds for the whole page: whose act it was, what is being drawn, what has the focus, and what
// a person is typing: which value a field was given, and which one waits for it.

import { Acts } from "./protocol";

export const acts = new Acts();

/** `own`: a person's act led to what is drawn now; only then may the focus move. */
export const drawing = { now: false, own: false };

export function focused(node: Node): HTMLElement | null {
  return (node.getRootNode() as Document).activeElement as HTMLElement | null;
}

/** What has the focus inside the element, if anything has. */
export function focusIn(element: Element): HTMLElement | null {
  const there = focused(element);
  return element.contains(there) ? there : null;
}

const SECRETS = "input[type=password], [data-secret], [data-typed]";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** `kept`: what the kernel gave or has heard; `next`: what it gave meanwhile. */
const values = new WeakMap<Control, { kept: string; next?: string }>();

/** Put a value there; of what was typed before, a secret perhaps, nothing is kept. */
export function give(field: Control, value: string): void {
  field.value = value;
  values.set(field, { kept: field.value });
}

export function wait(field: Control, value: string): void {
  values.set(field, { kept: field.value, ...values.get(field), next: value });
}

/** Whether a person is in the field, or has typed there what the kernel has not heard. */
export function inHand(field: Control | null): boolean {
  if (!field) return false;
  return (
    field.value !== (values.get(field)?.kept ?? "") || (!drawing.own && field === focused(field))
  );
}

/** Take every secret that is being typed off the page; whether there was one. */
export function emptySecrets(root: HTMLElement): boolean {
  const typed = [...root.querySelectorAll<HTMLInputElement>(SECRETS)].filter((each) => each.value);
  for (const each of typed) give(each, "");
  return typed.length > 0;
}

/** What was typed and reported is kept; a value that waited is taken when the field is left. */
export function followTyping(root: HTMLElement): void {
  root.addEventListener(
    "change",
    ({ target }) => {
      const field = target as Control;
      if (typeof field.value === "string") values.set(field, { kept: field.value });
    },
    true,
  );
  root.addEventListener("focusout", ({ target }) => {
    const field = target as Control;
    const there = values.get(field);
    if (there?.next === undefined || field === focused(field)) return; // the window was left
    if (field.value === there.kept) give(field, there.next);
    else values.set(field, { kept: there.kept });
  });
}

/** "/" goes to the search box of what is shown, except where it is typed. */
export function searchKey(e: KeyboardEvent, root: HTMLElement): void {
  const box = root.querySelector<HTMLElement>(".lw-search input");
  if (e.key !== "/" || !box || /^(INPUT|TEXTAREA|SELECT)$/.test((e.target as Element).nodeName))
    return;
  e.preventDefault();
  box.focus();
}
