// The first view of a result: filters, the grid, the labels made in it.

import { useLayoutEffect, useRef } from "preact/hooks";
import { Select } from "../../panel/controls";
import { usePart } from "../../panel/panel";
import { Button, Icon, plural } from "../../panel/parts";
import { Chip, Grow, Hints, Letter, SearchBox } from "../parts";
import type { Nothing, Result } from "../state";
import { useView, type View } from "../view";
import { GLYPHS, stateClass } from "../words";
import { Grid } from "./grid";
import { type Filter, OneSlice, Order } from "./order";

type ViewsPart = typeof import("../../comparison_panel.views");

const SEARCH_MS = 150;
const WORDS: Record<string, string> = {
  among: "models differ",
  against: "models agree against the truth",
};
const UNSTABLE = "unstable";

export default function Differences({ result }: { result: Result }) {
  const view = useView();
  view.grid ??= new Grid(view);
  const { grid } = view;
  const { labels, live, read, texts } = result;
  const { answer } = grid;
  const review = view.filter.sort === "review";
  const part = usePart<ViewsPart>(review || labels ? "views" : "");
  const loud = live || read === texts || (grid.untouched && read >= 4 * (answer?.read ?? Infinity));
  const more = !review && answer && answer.read < read && loud;
  useLayoutEffect(() => {
    if (more && !grid.waits && (grid.untouched || !answer.texts)) grid.ask("more");
  });
  return (
    <>
      {review ? (
        <div class="lw-bar row wrap">
          {part && <part.ReviewHead result={result} grid={grid} />}
          <OneSlice view={view} />
          <Order view={view} />
        </div>
      ) : (
        <Filters result={result} view={view} />
      )}
      {more && !grid.untouched && (
        <div class="lw-bar row">
          <span class="s">
            {live
              ? `Answers for ${read - answer.read} more ${plural(read - answer.read, "text")} came.`
              : "All texts are read now."}
          </span>
          <Button small onClick={() => grid.ask()}>
            Show them, most disagreement first
          </Button>
        </div>
      )}
      {answer?.empty && <NoRows nothing={answer.empty} view={view} />}
      <div hidden={Boolean(answer?.empty)} class="lw-hold">
        <GridElement key={result.edition} grid={grid} />
      </div>
      {labels > 0 && part && <part.Labels result={result} grid={grid} />}
      <footer>
        {review ? (
          part && <part.ReviewFoot grid={grid} />
        ) : (
          <>
            <Hints
              keys={[
                ["↑ ↓ ← →", "move"],
                ["Enter", "open"],
                ["Esc", "close"],
                ["/", "search"],
                ["1 – 9", "take as truth"],
                ["T", "type it"],
                ["0", "not in the text"],
              ]}
            />
            <Grow />
            <span class="s muted lw-seen" />
          </>
        )}
      </footer>
    </>
  );
}

function GridElement({ grid }: { grid: Grid }) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    grid.attach(ref.current);
    return () => grid.attach(null);
  }, []);
  const { answer, truth, variants } = grid;
  return (
    <div
      ref={ref}
      class={`lw-grid inset${answer?.review ? " lw-review" : ""}`}
      aria-busy={grid.waits && grid.view.filter.sort === "review" && !grid.order.order}
      role="grid"
      tabIndex={0}
      aria-label="Differences"
      aria-rowcount={answer ? answer.lines + 1 : undefined}
      aria-colcount={1 + truth + variants.length}
      data-next=""
      data-focus="grid"
      onKeyDown={grid.onKeyDown}
      onClick={grid.onClick}
      onScroll={grid.soon}
    >
      <div class="lw-grow lw-head" role="row" aria-rowindex={1}>
        <span class="lw-cell lw-f" role="columnheader">
          Field
        </span>
        {truth > 0 && (
          <span class="lw-cell lw-t" role="columnheader">
            Truth
          </span>
        )}
        {variants.map(({ letter, label, title }) => (
          <span key={letter} class="lw-cell" role="columnheader" title={title || label}>
            <span class="row">
              <Letter>{letter}</Letter>
              <span class="m">{label}</span>
            </span>
          </span>
        ))}
      </div>
      <div class="lw-canvas" role="presentation" />
    </div>
  );
}

// ---- filters -------------------------------------------------------------------------------------

interface Props {
  result: Result;
  view: View;
}

function Filters({ result, view }: Props) {
  const timer = useRef(0);
  const { filter } = view;
  const { counts, repeats, truth, unlabelled, variants } = result;
  const only = (name: Filter["only"]) => view.narrow({ only: filter.only === name ? "all" : name });
  const on = (name: string) => filter.states.includes(name);
  const states = [
    "differ",
    "missing",
    truth && "invented",
    (counts["null in words"] || on("null in words")) && "null in words",
    "failed",
    ...(truth && variants.length > 1 ? ["among", "against"] : []),
    repeats > 1 && UNSTABLE,
  ].filter((name) => typeof name === "string");
  return (
    <search class="lw-bar row wrap">
      <SearchBox
        name="find-values"
        label="Search values, texts"
        changed={(query) => {
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => view.narrow({ query }), query ? SEARCH_MS : 0);
        }}
      />
      <Chip
        on={filter.only === "disagree"}
        title={repeats > 1 ? "each text once, by the value that most repeats gave" : undefined}
        onClick={() => only("disagree")}
      >
        <b>{counts.disagree}</b> of {counts.rows} {plural(counts.rows, "row")}{" "}
        {counts.disagree === 1 ? "disagrees" : "disagree"}
      </Chip>
      <OneSlice view={view} />
      {((truth && unlabelled > 0) || filter.only === "unlabelled") && (
        <Chip on={filter.only === "unlabelled"} onClick={() => only("unlabelled")}>
          <b>{unlabelled}</b> {unlabelled === 1 ? "text" : "texts"} without truth
        </Chip>
      )}
      {states.map(
        (name) =>
          (GLYPHS[name] || name === UNSTABLE || counts[name] || on(name)) && (
            <Chip
              key={name}
              on={on(name)}
              title={name === UNSTABLE ? "rows in which a model's repeats differ" : undefined}
              disabled={!counts[name]}
              onClick={() =>
                view.narrow({
                  states: on(name)
                    ? filter.states.filter((each) => each !== name)
                    : [...filter.states, name],
                })
              }
            >
              {GLYPHS[name] && <span class={`g ${stateClass(name)}`}>{GLYPHS[name]}</span>}
              <span>{WORDS[name] || name}</span>
              <b>{counts[name]}</b>
            </Chip>
          ),
      )}
      <span class="row lw-ways">
        <Select
          class="in s"
          aria-label="Field"
          options={[["", "All fields"], ...result.fields.map((each) => [each, each] as const)]}
          value={filter.field}
          onPick={(field) => view.narrow({ field })}
        />
        <Order view={view} />
      </span>
    </search>
  );
}

function NoRows({ nothing, view }: { nothing: Nothing; view: View }) {
  const { good, sentence, hint, ways } = nothing;
  const icon = good ? "ok" : "none";
  return (
    <div class="body stack t" role="status">
      <div class="note">
        <Icon name={icon} tone={icon} />
        <h3>{sentence}</h3>
        {hint && <p class="muted">{hint}</p>}
        <div class="row wrap">
          {ways.map(({ label, filter }) => (
            <Button key={label} small onClick={() => view.narrow(filter)}>
              {label}
            </Button>
          ))}
        </div>
      </div>
    </div>
  );
}
