// One text with the words every value came from, beside the list of fields.

import { useLayoutEffect, useRef } from "preact/hooks";
import { Button } from "../../panel/parts";
import type { Span, TextAnswer, ValueGroup } from "../answers";
import type { Key } from "../grid/keys";
import { Aside, Chip, Grow, Hints, Letter, RepeatChoice, Small, Status, Waiting } from "../parts";
import type { Result } from "../state";
import { useKept, useView } from "../view";
import { GLYPHS, isolate, stateClass } from "../words";

type Shown = TextAnswer["fields"][number];

export default function TextView({ result: { repeats, truth, variants } }: { result: Result }) {
  const view = useView();
  const { index, path: wanted, repeat = 0 } = view.text;
  const fits = (each: TextAnswer) => each.index === index && each.repeat === repeat;
  const shown = view.need<TextAnswer>("text", { index, repeat }, fits);
  const [fixed, setFixed] = useKept("fixed width", false);
  const ref = useRef<HTMLDivElement>(null);
  const path = wanted ?? shown?.fields[0]?.path ?? null;
  useLayoutEffect(() => {
    for (const on of ref.current?.querySelectorAll(".lw-sp.on, .lw-field.on") ?? []) {
      if (wanted !== null) on.scrollIntoView({ block: "nearest" });
    }
  }, [wanted]);
  if (!shown) return <Waiting>Reading the text.</Waiting>;
  const go = (by: number) =>
    view.show("text", {
      text: { index: Math.max(0, Math.min(shown.total - 1, index + by)), path, repeat },
    });
  const pick = (to: string | undefined) =>
    to !== undefined && view.show("text", { text: { index, path: to, repeat } });
  const turn = (to: number) =>
    to < repeats && view.show("text", { text: { index, path: wanted, repeat: to } });
  const onKeyDown = (e: KeyboardEvent) => {
    const [act, by] = textAct(e) ?? [];
    if (!act) return;
    e.preventDefault();
    if (act === "text") go(by!);
    else if (act === "repeat") turn(by!);
    else if (act === "field")
      pick(shown.fields[shown.fields.findIndex((each) => each.path === path) + by!]?.path);
    else {
      view.grid?.find(shown.id, path);
      view.show("differences", {}, "grid");
    }
  };
  return (
    <>
      <div class="lw-bar row wrap">
        <TextSteps id={shown.id} index={index} total={shown.total} go={go} />
        <RepeatChoice repeats={repeats} on={repeat} pick={turn} />
        <Chip on={fixed} title="Tables keep their columns" onClick={() => setFixed(!fixed)}>
          Fixed width
        </Chip>
        <Grow />
        <span class="row wrap s lw-letters">
          {truth && (
            <span>
              <Letter>T</Letter> truth
            </span>
          )}
          {variants.map(({ letter, label }) => (
            <span>
              <Letter>{letter}</Letter> {label}
            </span>
          ))}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys work wherever the focus is in it */}
      <div class="cols lw-reading" ref={ref} onKeyDown={onKeyDown}>
        <div
          class="lw-doc inset"
          tabIndex={0}
          role="region"
          aria-label={`Text ${shown.id}`}
          data-focus="doc"
        >
          <Prose shown={shown} path={path} fixed={fixed} />
          {shown.cut && <Small>{shown.cut}</Small>}
        </div>
        <div class="lw-vals" role="listbox" aria-label="Fields" tabIndex={0}>
          {shown.fields.map((each) => (
            <Values key={each.path} field={each} on={each.path === path} pick={pick} />
          ))}
        </div>
      </div>
      <footer>
        <Hints
          keys={[
            ["↑ ↓", "next field"],
            ["← →", "next text"],
            ...(repeats > 1 ? ([["1 – 9", "repeat"]] as [string, string][]) : []),
            ["Esc", "back to the differences"],
          ]}
        />
        <Grow />
        <Aside>
          {truth
            ? "solid line: agrees with the truth · dashed: differs"
            : "solid line: the models agree · dashed: they differ"}
        </Aside>
      </footer>
    </>
  );
}

interface StepsProps {
  id?: string;
  index: number;
  total: number;
  go: (by: number) => void;
}

/** Which text it is, and the ways to its neighbours. */
export const TextSteps = ({ id, index, total, go }: StepsProps) => (
  <>
    <Button small icon="left" disabled={index === 0} onClick={() => go(-1)}>
      Previous text
    </Button>
    <Button small icon="right" disabled={index >= total - 1} onClick={() => go(1)}>
      Next text
    </Button>
    <Status class="m b">{id}</Status>
    <Aside>
      {index + 1} of {total}
    </Aside>
  </>
);

interface ProseProps {
  shown: TextAnswer;
  path: string | null;
  /** Every letter as wide as another, and lines as they are: tables keep their columns. */
  fixed: boolean;
}

function Prose({ shown: { text, spans }, path, fixed }: ProseProps) {
  return (
    <p class={fixed ? "lw-prose fixed" : "lw-prose"} dir="auto">
      {cutText(text, spans).map(({ words, spans: here, who }) => {
        if (!here.length) return words;
        const on = here.some((each) => each.path === path) ? " on" : "";
        const differs = here.every((each) => each.state !== "agree") ? " dif" : "";
        return (
          <>
            <span
              class={`lw-sp${on}${differs}`}
              title={here.map((each) => `${isolate(each.name)}: ${each.letters}`).join("\n")}
            >
              {words}
            </span>
            {who && (
              <span class="lw-who">
                <span>{who}</span>
              </span>
            )}
          </>
        );
      })}
    </p>
  );
}

function Values({ field, on, pick }: { field: Shown; on: boolean; pick: (path: string) => void }) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the arrow keys of the view do the same
    <div
      role="option"
      aria-selected={on}
      class={on ? "lw-field on" : "lw-field"}
      onClick={() => pick(field.path)}
    >
      <span class="m lw-fname" title={field.path}>
        <bdi>{field.name}</bdi>
      </span>
      <div class="lw-v4">
        {field.groups.map((each) => (
          <>
            <span class="lw-k">{each.letters}</span>
            <span class={`g ${stateClass(each.state)}`}>{GLYPHS[each.state]}</span>
            <span class={lookOf(each)} dir="auto">
              {each.text}
              {each.flag && <span class="lw-nit">{each.flag}</span>}
              {each.page && <bdi class="s muted">{` ${each.page}`}</bdi>}
            </span>
          </>
        ))}
      </div>
    </div>
  );
}

function lookOf({ kind, state }: ValueGroup): string {
  const none = kind === "value" ? "" : " none";
  if (state === "agree") return `muted${none}`;
  return state === "truth" || none ? none : "b";
}

export type TextAct = ["field" | "text" | "repeat", number] | ["back"];

const TEXT: Record<string, TextAct> = {
  ArrowUp: ["field", -1],
  ArrowDown: ["field", 1],
  ArrowLeft: ["text", -1],
  ArrowRight: ["text", 1],
  Escape: ["back"],
};

/** What a key does where a text is read. */
export function textAct(e: Key): TextAct | undefined {
  if (e.altKey || e.ctrlKey || e.metaKey) return undefined;
  return /^[1-9]$/.test(e.key) ? ["repeat", Number(e.key) - 1] : TEXT[e.key];
}

export interface Piece {
  words: string;
  /** The spans that lie over it. */
  spans: Span[];
  /** The letters of those that end with it, T first. */
  who: string;
}

/** The text cut at every start and end, so that spans may overlap. */
export function cutText(text: string, spans: Span[]): Piece[] {
  const cuts = [...new Set([0, text.length, ...spans.flatMap(({ s, e }) => [s, e])])].sort(
    (a, b) => a - b,
  );
  return cuts.slice(0, -1).map((from, n) => {
    const to = cuts[n + 1]!;
    const here = spans.filter(({ s, e }) => s < to && e > from);
    const ends = here.filter(({ e }) => e === to).flatMap(({ letters }) => [...letters]);
    const rank = (each: string) => (each === "T" ? "" : each);
    const who = [...new Set(ends)].sort((a, b) => (rank(a) < rank(b) ? -1 : 1)).join("");
    return { words: text.slice(from, to), spans: here, who };
  });
}
