// Controls that keep what a person does in them while newer states arrive.

import type { AllHTMLAttributes, ComponentChildren, RefObject, TargetedEvent } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { acts, drawing, focused, give, wait } from "./page";
import { Button } from "./parts";
import { Acts, settle } from "./protocol";

export type Attributes = Omit<
  AllHTMLAttributes<HTMLInputElement>,
  "value" | "onChange" | "ref" | "checked"
>;
export type Data = Partial<Record<`data-${string}`, string | undefined>>;
type Change<E extends HTMLElement> = TargetedEvent<E, Event>;

interface ControlProps extends Attributes, Data {
  as?: "input" | "textarea" | "select";
  value?: string;
  /** A newer value is taken when this changes; by default whenever the value does. */
  rev?: unknown;
  onChange?: (event: Change<HTMLInputElement>) => void;
  inputRef?: RefObject<HTMLInputElement | null>;
}

/** A field with a value of the state's; without `value` it is the person's alone. What was typed
    into one never turns up in another that comes to stand in its place. */
export function Control({ as = "input", value, rev = value, inputRef, ...rest }: ControlProps) {
  const own = useRef<HTMLInputElement>(null);
  const ref = inputRef ?? own;
  const last = useRef<{ field: HTMLElement; rev: unknown; value: string } | null>(null);
  const typed = useRef({ field: own.current, place: 0 });
  useLayoutEffect(() => {
    const field = ref.current!;
    if (value === undefined) return;
    const before = last.current?.field === field ? last.current : null;
    const there = before && (as !== "select" || hasOption(field, before.value));
    const busy = Boolean(there) && field === focused(field);
    const later = acts.drawn > 0 && typed.current.place > acts.drawn;
    const mine = typed.current.field === field;
    const done = settle(before?.rev !== rev, busy, drawing.own, mine && later);
    if (done === "take" || !before) give(field, value);
    else if (done === "wait") wait(field, value);
    last.current = { field, rev, value: field.value };
  });
  const Tag = as as "input";
  return (
    <Tag
      key={rest.id ?? rest["data-focus"]}
      ref={ref}
      class="in"
      {...(as === "input" ? { type: "text" } : { dir: "auto" })}
      {...(rest as object)}
      onInput={(event) => {
        typed.current = { field: ref.current, place: Acts.place(acts.newest) };
        rest.onInput?.(event);
      }}
    />
  );
}

function hasOption(field: HTMLElement, value: string): boolean {
  return [...(field as HTMLSelectElement).options].some((each) => each.value === value);
}

interface SelectProps extends Attributes, Data {
  value: string;
  options: readonly (readonly [value: string, words: string])[];
  onPick: (value: string, event: Change<HTMLSelectElement>) => void;
}

export function Select({ options, onPick, ...rest }: SelectProps) {
  return (
    <Control
      as="select"
      {...(rest as object)}
      value={rest.value}
      onChange={(e) => onPick(e.currentTarget.value, e as never)}
    >
      {options.map(([value, words]) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </Control>
  );
}

interface NameRowProps extends Data {
  label: string;
  /** What its button says. */
  action: string;
  value?: string;
  placeholder?: string;
  small?: boolean;
  take: (name: string) => void;
  leave: () => void;
}

/** A name that is typed in place: Enter or the button takes it, Escape or Cancel leaves it. */
export function NameRow({ label, action, value, small, take, leave, ...rest }: NameRowProps) {
  const input = useRef<HTMLInputElement>(null);
  const done = () => {
    take(input.current!.value.trim());
    leave();
  };
  return (
    <div class="row">
      <input
        ref={input}
        class={small ? "in" : "in narrow"}
        type="text"
        defaultValue={value}
        aria-label={label}
        autocomplete="off"
        {...(rest as object)}
        onKeyDown={(e) => {
          if (e.key === "Enter") done();
          else if (e.key === "Escape") leave();
          else return;
          e.preventDefault();
        }}
      />
      <Button small={small} onClick={done}>
        {action}
      </Button>
      <Button small={small} bare onClick={leave}>
        Cancel
      </Button>
    </div>
  );
}

interface FieldProps {
  /** The id of the control; its line below is `${id}-line`. */
  id: string;
  label: ComponentChildren;
  optional?: boolean;
  /** What stands behind the label and is not its name; its id is `${id}-beside`. */
  beside?: ComponentChildren;
  help?: ComponentChildren;
  error?: string;
  class?: string;
  /** What stands in place of a control bears no label of its own. */
  told?: boolean;
  /** What stands below the line. */
  after?: ComponentChildren;
  children: ComponentChildren;
}

/** A label, the control, then one line: help or what is wrong. */
export function Field({
  id,
  label,
  optional,
  beside,
  help,
  error,
  class: look = "",
  told,
  after,
  children,
}: FieldProps) {
  const words = (
    <>
      {label}
      {optional && <i> optional</i>}
    </>
  );
  const named = told ? <span class="label">{words}</span> : <label for={id}>{words}</label>;
  return (
    <div class={`field ${look}`}>
      {beside ? (
        <div class="row label">
          {named}
          <i id={`${id}-beside`}>{beside}</i>
        </div>
      ) : (
        named
      )}
      {children}
      <Line id={id} help={help} error={error} />
      {after}
    </div>
  );
}

export function Line({ id, help, error }: Pick<FieldProps, "id" | "help" | "error">) {
  return error ? (
    <p key="err" class="err" id={`${id}-line`} role="alert">
      {error}
    </p>
  ) : (
    <p key="help" class="help" id={`${id}-line`}>
      {help}
    </p>
  );
}

/** What tells a screen reader that a control has a line below, and whether it is wrong. */
export function saidOf(id: string, error?: string) {
  return {
    id,
    "aria-describedby": `${id}-line`,
    "aria-invalid": error ? ("true" as const) : undefined,
  };
}
