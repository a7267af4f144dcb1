// Small parts that several views of a comparison share.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { Control, Select } from "../panel/controls";
import type { Variant } from "./state";
import { useKept, useView } from "./view";

export type Words = ComponentChildren;

interface Some {
  children?: Words;
}

export const Grow = () => <span class="grow" />;
export const Muted = ({ children }: Some) => <span class="muted">{children}</span>;
export const Aside = ({ children }: Some) => <span class="s muted">{children}</span>;
export const Small = ({ children }: Some) => <p class="s muted">{children}</p>;
export const Spoken = ({ children }: Some) => <span class="spoken">{children}</span>;
/** Small words that are read out when they change. */
export const Status = ({ children, class: look = "s muted" }: Some & { class?: string }) => (
  <span class={look} role="status">
    {children}
  </span>
);
export const Row = ({ children }: Some) => <div class="row wrap">{children}</div>;

/** The title of a part, what there is to know of it, and the steps at its right. */
export const Heading = ({ title, about, children }: Some & { title: string; about: Words }) => (
  <div class="row">
    <h3>{title}</h3>
    <Aside>{about}</Aside>
    <Grow />
    {children}
  </div>
);

interface HeadProps extends Some {
  title: string;
  /** What is known of it, which may take a line of its own. */
  facts: Words;
}

/** A screen's header: its title, facts, and at the right the steps that lead on. */
export const Head = ({ title, facts, children }: HeadProps) => (
  <header class="wrap">
    <h2>{title}</h2>
    {facts}
    <span class="row lw-ways">{children}</span>
  </header>
);

/** What is not here yet. */
export const Waiting = ({ children }: Some) => (
  <p class="body muted" role="status">
    {useView().panel.loss ? "This had not come yet." : children}
  </p>
);

export const Letter = ({ children }: Some) => (
  <span class="abc" aria-hidden="true">
    {children}
  </span>
);

export function VariantName({ letter, label }: Variant) {
  return (
    <span class="row">
      <Letter>{letter}</Letter>
      <span class="m" title={label}>
        {label}
      </span>
    </span>
  );
}

/** Heads of columns: "r Cost" is one at the right. */
export const Heads = ({ columns }: { columns: Words[] }) => (
  <thead>
    <tr>
      {columns.map((each) => {
        const right = typeof each === "string" && each.startsWith("r ");
        return (
          <th scope="col" class={right ? "r" : undefined}>
            {right ? each.slice(2) : each}
          </th>
        );
      })}
    </tr>
  </thead>
);

/** Names at the left, what is known of them at the right. */
export const Facts = ({ rows }: { rows: [name: Words, value: Words][] }) => (
  <table class="flush">
    <tbody>
      {rows.map(([name, value]) => (
        <tr>
          <th class="muted nw" scope="row">
            {name}
          </th>
          <td>{value}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

interface ChipProps {
  on: boolean;
  disabled?: boolean;
  title?: string;
  onClick: () => void;
  children?: Words;
}

export const Chip = ({ on, disabled, title, onClick, children }: ChipProps) => (
  <button
    type="button"
    class="chip"
    title={title}
    aria-pressed={on}
    aria-disabled={disabled}
    onClick={disabled ? undefined : onClick}
  >
    {children}
  </button>
);

/** As many as there are keys for. */
const MOST_CHIPS = 9;

interface RepeatProps {
  repeats: number;
  on: number;
  pick: (repeat: number) => void;
}

/** One repeat of several, counted from 0; nothing where each text was asked once. */
export function RepeatChoice({ repeats, on, pick }: RepeatProps) {
  if (repeats < 2) return null;
  const all = Array.from({ length: repeats }, (_, n) => n);
  if (repeats > MOST_CHIPS) {
    return (
      <Select
        class="in s"
        aria-label="Repeat"
        options={all.map((n) => [String(n), `Repeat ${n + 1}`] as const)}
        value={String(on)}
        onPick={(n) => pick(Number(n))}
      />
    );
  }
  return (
    <div class="row lw-repeats" role="group" aria-label="Repeat">
      <Aside>Repeat</Aside>
      {all.map((n) => (
        <Chip key={n} on={n === on} onClick={() => pick(n)}>
          {n + 1}
        </Chip>
      ))}
    </div>
  );
}

/** The keys of a view: [keys, what they do]. */
export const Hints = ({ keys: all }: { keys: [keys: string, words: string][] }) => (
  <span class="hint">
    {all.map(([keys, words]) => (
      <span>
        {keys.split(" ").map((key) => (
          <>{key === "–" ? key : <kbd>{key}</kbd>} </>
        ))}
        {words}
      </span>
    ))}
  </span>
);

interface SearchProps {
  name: string;
  label: string;
  changed?: (words: string) => void;
}

/** A search box; Escape empties it, and "/" leads to it. */
export function SearchBox({ name, label, changed }: SearchProps) {
  const [words, keep] = useKept(name, "");
  const set = (value: string) => {
    keep(value);
    changed?.(value);
  };
  return (
    <span class="in s lw-search">
      <Control
        class=""
        type="search"
        value={words}
        dir="auto"
        placeholder={label}
        aria-label={label}
        onInput={(e) => set((e.target as HTMLInputElement).value)}
        onKeyDown={(e) => {
          if (e.key !== "Escape" || !words) return;
          e.preventDefault();
          set("");
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </span>
  );
}

/** What is wider than its place can be scrolled by keyboard too; what fits is not a tab stop. */
export function Scroll({ children }: Some) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const box = ref.current!;
    const look = () => {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    };
    const watch = new ResizeObserver(look);
    look();
    watch.observe(box);
    return () => watch.disconnect();
  });
  return (
    <div class="lw-scroll" ref={ref}>
      {children}
    </div>
  );
}

/** From which difference on it matters to the reader; the sentences follow. */
export function Matters({ points }: { points: string }) {
  const view = useView();
  return (
    <label class="row nw">
      <span>A difference matters from</span>
      <Control
        type="number"
        min={0.1}
        max={50}
        step="any"
        value={points}
        aria-label="A difference matters from, fields in 100"
        onChange={(e) => view.send("scores.matters", { points: e.currentTarget.value })}
      />
      <span>in 100</span>
    </label>
  );
}

interface LabelledProps {
  words: string;
  help?: Words;
  children: Words;
}

/** Words, a control below them, and a line of help. */
export const Labelled = ({ words, help, children }: LabelledProps) => (
  // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
  <label class="field">
    <span class="label">{words}</span>
    {children}
    {help && <span class="help">{help}</span>}
  </label>
);
