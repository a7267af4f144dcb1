// A tick box, with or without its words.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Attributes, Data } from "./controls";
import { acts } from "./page";
import { Acts } from "./protocol";
import "./tick.css";

export interface TickProps extends Attributes, Data {
  checked: boolean;
  indeterminate?: boolean;
  onTick: (on: boolean) => void;
}

/** A tick box. A state from before a person's tick does not take it back; the answer to it decides. */
export function Tick({ checked, indeterminate = false, onTick, ...rest }: TickProps) {
  const ref = useRef<HTMLInputElement>(null);
  const last = useRef<{ checked?: boolean; ticked: number }>({ ticked: 0 });
  useLayoutEffect(() => {
    const { current: before } = last;
    if (before.checked !== checked || before.ticked <= acts.answered)
      ref.current!.checked = checked;
    ref.current!.indeterminate = indeterminate;
    before.checked = checked;
  });
  return (
    <input
      ref={ref}
      type="checkbox"
      {...(rest as object)}
      onChange={(e) => {
        last.current.ticked = Acts.place(acts.newest);
        onTick(e.currentTarget.checked);
      }}
    />
  );
}

/** A tick box with its words. */
export function Choice({ children, ...rest }: TickProps & { children?: ComponentChildren }) {
  return (
    <label class="choice">
      <Tick {...rest} />
      <span>{children}</span>
    </label>
  );
}
