// The list at the left: every kind, its connections, their state.

import { Fragment } from "preact";
import { useRef } from "preact/hooks";
import { usePanel } from "../panel/panel";
import { Icon, useRoving } from "../panel/parts";

interface RowState {
  label: string;
  name: string;
  icon: "ok" | "none" | "warn" | "fail";
  fact: string;
  selected: boolean;
  demo: boolean;
}

/** A kind that can be connected once is a row itself; the others carry theirs. */
export type KindState = { kind: string; title: string } & (
  | ({ single: true } & RowState)
  | { single: false; count: number; rows: RowState[] }
);

const TELL = {
  ok: "works",
  none: "not set up",
  warn: "something to know",
  fail: "last check failed",
};

export function KindsList({ kinds }: { kinds: KindState[] }) {
  const ref = useRef<HTMLElement>(null);
  useRoving(ref, "button.kind, button.add");
  return (
    <nav class="kinds" aria-label="Kinds of connection" ref={ref}>
      <div>
        <h3>One per organization</h3>
        <ul>
          {kinds.map(
            (kind) =>
              kind.single && <Row key={kind.kind} kind={kind.kind} row={kind} name={kind.title} />,
          )}
        </ul>
      </div>
      <div>
        <h3>One per model</h3>
        <ul>{kinds.map((kind) => !kind.single && <Rows key={kind.kind} kind={kind} />)}</ul>
      </div>
    </nav>
  );
}

function useOpen(kind: string) {
  const { send } = usePanel();
  return (label: string) => () => send("connections.select", { kind, label });
}

interface RowProps {
  kind: string;
  row: RowState;
  name: string;
  sub?: boolean;
}

function Row({ kind, row, name, sub }: RowProps) {
  const open = useOpen(kind);
  const icon = usePanel().loss ? "none" : row.icon;
  return (
    <li>
      <button
        type="button"
        class={`kind inset${sub ? " sub" : ""}`}
        onClick={open(row.label)}
        aria-current={row.selected ? "true" : undefined}
      >
        <Icon name={icon} tone={icon} />
        <span class="name">{name}</span>
        <span class="spoken">, {TELL[row.icon]}</span>
        {row.fact && <span class="n">{row.fact}</span>}
      </button>
    </li>
  );
}

function Rows({ kind }: { kind: Extract<KindState, { single: false }> }) {
  const open = useOpen(kind.kind);
  const add = `Add a connection: ${kind.title}`;
  return (
    <>
      <li class="head">
        <button type="button" class="kind inset" onClick={open(kind.rows[0]?.label ?? "")}>
          <span class="name">{kind.title}</span>
          {kind.count > 0 && <span class="n">{kind.count}</span>}
        </button>
        <button
          type="button"
          class="btn bare icon sm add inset"
          aria-label={add}
          title={add}
          onClick={open("")}
        >
          <Icon name="plus" />
        </button>
      </li>
      {kind.rows.map((row, n) => (
        <Fragment key={row.label}>
          {row.demo && !kind.rows[n - 1]?.demo && (
            <li class="demo">Demo: rules on this computer, no LLM</li>
          )}
          <Row kind={kind.kind} row={row} name={row.name} sub />
        </Fragment>
      ))}
    </>
  );
}
