// The fields of the store's screens. What is typed here is read once, when a step is taken.

import type { ComponentChildren } from "preact";
import { Control, Field, saidOf } from "../panel/controls";
import type { Panel } from "../panel/panel";
import { Choice, type TickProps } from "../panel/tick";
import type { StoreState } from "./state";

export type OfStore = { store: StoreState };

/** What stands in a field of the screen now. */
export function typed(panel: Panel, name: string): HTMLInputElement {
  return panel.root.querySelector<HTMLInputElement>(`[data-typed="${name}"]`)!;
}

interface GateFieldProps {
  name: string;
  label: string;
  help?: ComponentChildren;
  error?: string;
  onEnter: () => void;
  /** Enter in an empty field may mean something too: then it is not required. */
  optional?: boolean;
  /** Shown as it is typed. */
  shown?: boolean;
  next?: boolean;
  onInput?: (text: string) => void;
}

/** A passphrase or an identity: the person's alone, until a step takes it. */
export function GateField({
  name,
  label,
  help,
  error,
  onEnter,
  optional,
  shown,
  next,
  onInput,
}: GateFieldProps) {
  const id = `lw-gate-${name}`;
  return (
    <Field id={id} label={label} help={help} error={error} class="grow">
      <Control
        {...saidOf(id, error)}
        class={shown ? "in m" : "in"}
        type={shown ? "text" : "password"}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        data-lpignore="true"
        data-1p-ignore=""
        data-typed={name}
        data-focus={name}
        data-next={next ? "1" : undefined}
        aria-required={optional ? undefined : "true"}
        onInput={(e) => onInput?.(e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key !== "Enter") return;
          e.preventDefault();
          e.stopPropagation();
          onEnter();
        }}
      />
    </Field>
  );
}

type PlainProps = Record<"name" | "label" | "placeholder", string>;

/** A field that holds no secret. */
export function PlainField({ name, label, placeholder }: PlainProps) {
  const id = `lw-plain-${name}`;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <Control
        class="in m"
        id={id}
        placeholder={placeholder}
        data-typed={name}
        autocomplete="off"
        spellcheck={false}
      />
    </div>
  );
}

/** What the kernel said of the last try of this field. */
export function lastSaid(store: StoreState, by = "passphrase"): string {
  const { said } = store;
  return said?.by === by ? [said.sentence, said.hint].filter(Boolean).join(" ") : "";
}

/** A tick for the best place that remembers the identity, where there is one. */
export function RememberTick({ store, ...tick }: Omit<TickProps, "children"> & OfStore) {
  const [place] = store.offered;
  if (!place) return null;
  return (
    <Choice {...tick}>
      {place.words} <span class="muted">{place.where}</span>
    </Choice>
  );
}

/** The place that remembers, if it was ticked. */
export function remembered(store: StoreState, on: boolean): string {
  return on ? store.offered[0]?.place || "" : "";
}
