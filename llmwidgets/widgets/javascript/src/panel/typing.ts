// What a person is typing is theirs: which value a field was given, and which one waits for it.

import { drawing, focused } from "./page";

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
