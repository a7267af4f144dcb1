// Fields by models: what share is right, of how many; each cell leads to its rows in the grid.

import { useLayoutEffect, useRef } from "preact/hooks";
import { Select } from "../../panel/controls";
import { focused } from "../../panel/page";
import { Icon, TextButton } from "../../panel/parts";
import type { FieldScores, FieldsTable, Figure, Scores } from "../answers";
import type { Key } from "../grid/keys";
import { Heading, Letter, Scroll, Spoken } from "../parts";
import type { Choice } from "../state";
import { useKept, useView, type View } from "../view";
import { percent, counted as written } from "../words";

const FIELDS_AT_ONCE = 8;

/** The hardest fields beside the scoreboard; the whole table stands under Charts. */
export function HardestFields({ scores }: { scores: Scores }) {
  const view = useView();
  const { rows, measures } = scores.fields;
  return (
    <div class="body stack t">
      <Heading title="By field" about={`${measures[0]![1]}, hardest first`} />
      <FieldTable scores={scores} rows={rows.slice(0, FIELDS_AT_ONCE)} measure={measures[0]!} />
      <TextButton onClick={() => view.show("charts", {}, "fields-sort-name")}>
        {rows.length > FIELDS_AT_ONCE
          ? `All ${rows.length} fields, precision and recall`
          : "More about each field"}
      </TextButton>
      {scores.stability.rows.length > 0 && (
        <TextButton onClick={() => view.show("charts", {}, "stability-sort-name")}>
          Stability of each field
        </TextButton>
      )}
    </div>
  );
}

/** Every field, by any measure, in any order. */
export const AllFields = ({ scores }: { scores: Scores }) => (
  <WholeTable
    scores={scores}
    table={scores.fields}
    name="fields"
    title="Fields by model"
    about="Each cell opens its rows in the grid."
  />
);

/** How far the repeats of each model say the same, by field; nothing with one repeat. */
export const Stability = ({ scores }: { scores: Scores }) => (
  <WholeTable
    scores={scores}
    table={scores.stability}
    name="stability"
    title="Stability by field and model"
    about={`${scores.stability.measures[0]![1]}, least stable first. Each cell opens its rows.`}
    states={["unstable"]}
  />
);

interface WholeProps {
  scores: Scores;
  table: FieldsTable;
  /** What its order is kept under. */
  name: string;
  title: string;
  about: string;
  states?: string[];
}

function WholeTable({ scores, table, name, title, about, states }: WholeProps) {
  const { rows, measures } = table;
  const [order, setOrder] = useKept<Order>(`order ${name}`, { by: "", down: false, measure: "" });
  if (!rows.length) return null;
  const measure = measures.find(([name]) => name === order.measure) ?? measures[0]!;
  const sort = (by: string) => setOrder({ ...order, by, down: order.by === by && !order.down });
  return (
    <div class="body stack t lw-fields-all">
      <Heading title={title} about={about}>
        {measures.length > 1 && (
          <Select
            class="in s"
            aria-label="Measure"
            options={measures}
            value={measure[0]}
            onPick={(name) => setOrder({ ...order, measure: name })}
          />
        )}
      </Heading>
      <Scroll>
        <FieldTable
          scores={scores}
          rows={sortedFields(rows, scores.order, { ...order, measure: measure[0] })}
          measure={measure}
          name={name}
          states={states}
          sorted={order}
          sort={sort}
        />
      </Scroll>
    </div>
  );
}

interface Props {
  scores: Scores;
  rows: FieldScores[];
  measure: Choice;
  name?: string;
  /** The states of the rows that a cell opens; without any, those that disagree. */
  states?: string[];
  /** Where a table can be sorted it stands alone, and says of how many each share is. */
  sorted?: Order;
  sort?: (by: string) => void;
}

/** A grid of buttons: one tab stop, arrows move, Enter opens the rows of the grid. */
function FieldTable(props: Props) {
  const { rows, name = "fields", states, sorted, sort } = props;
  const { order } = props.scores;
  const [measure, words] = props.measure;
  const view = useView();
  const { state } = view;
  const variants = state.screen === "results" ? state.result.variants : [];
  const nameOf = (letter: string) => variants.find((each) => each.letter === letter)?.label ?? "";
  const head = (by: string, spoken: string) => {
    const one = by === "name";
    const label = one ? spoken : <Letter>{by}</Letter>;
    if (!sort) {
      return (
        <th scope="col" class={one ? undefined : "r"}>
          {label}
          {!one && <Spoken>{spoken}</Spoken>}
        </th>
      );
    }
    const down = sorted!.down;
    return (
      <th
        scope="col"
        class={one ? undefined : "r"}
        aria-sort={sorted!.by !== by ? "none" : down ? "descending" : "ascending"}
      >
        <button
          type="button"
          class="lw-sort"
          data-focus={`${name}-sort-${by}`}
          title={`Sort by ${spoken}`}
          aria-label={`${spoken}, sort`}
          onClick={() => sort(by)}
        >
          {label}
          {!one && <span class="m narrow-hide">{spoken}</span>}
          {sorted!.by === by && <Icon name="down" tone={down ? "turned" : undefined} />}
        </button>
      </th>
    );
  };
  return (
    <table
      {...useArrows()}
      class={`flush lw-byfield${sort ? " lw-whole" : ""}`}
      role="grid"
      style={sort && `min-width:${180 + 104 * order.length}px`}
      aria-label={`${words} by field and model`}
    >
      <thead>
        <tr>
          {head("name", "Field")}
          {order.map((letter) => head(letter, nameOf(letter)))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const least = hardest(row, measure);
          return (
            <tr key={row.path}>
              <th class="m" scope="row" title={row.path}>
                <button
                  type="button"
                  class="lw-share"
                  aria-label={`${row.name}: show its rows`}
                  onClick={() => openField(view, row.path, 0, false, states)}
                >
                  {row.name.split(/(?<=\.)/).map((part, n) => [n > 0 && <wbr />, part])}
                </button>
              </th>
              {row.cells.map((cell, n) => (
                <Share
                  figure={cell?.[measure]}
                  least={least}
                  counted={Boolean(sort)}
                  spoken={`${row.name}, ${nameOf(order[n]!)}: ${words}`}
                  open={(right) =>
                    openField(
                      view,
                      row.path,
                      variants.findIndex((each) => each.letter === order[n]),
                      right,
                      states,
                    )
                  }
                />
              ))}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

interface ShareProps {
  figure?: Figure;
  least: number | null;
  counted: boolean;
  spoken: string;
  open: (right: boolean) => void;
}

function Share({ figure, least, counted, spoken, open }: ShareProps) {
  const [share, of] = figure ?? [null, 0];
  if (share === null) {
    return (
      <td class="r muted">
        –<Spoken> no figure</Spoken>
      </td>
    );
  }
  const value = percent(share);
  return (
    <td class="r">
      <button
        type="button"
        class="lw-share"
        title={`${value} of 100, ${of} counted`}
        aria-label={`${spoken}, ${value}, of ${of} counted. Show its rows`}
        onClick={() => open(share === 100)}
      >
        {share === least ? <b>{value}</b> : value}
        {counted && <span class="muted lw-of"> n {written(of)}</span>}
        <span class="lw-tick">
          <i style={`width:${share}%`} />
        </span>
      </button>
    </td>
  );
}

/** The grid, narrowed to one field; the cursor stands in the model's column. */
function openField(view: View, field: string, column = 0, right = false, states?: string[]): void {
  view.column = column;
  view.show("differences", {}, "grid");
  const only = right ? "all" : "disagree";
  view.narrow({ only, states: (!right && states) || [], field, query: "" });
}

const ARROWS: Record<string, [down: number, right: number]> = {
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
};

/** Where an arrow, Home or End leads in a table with gaps: undefined where the key does nothing
    there, null where it does and nothing lies that way. */
export function tableTarget<T>(lines: (T | null)[][], from: T, e: Key): T | null | undefined {
  const row = lines.findIndex((line) => line.includes(from));
  if (row < 0 || e.altKey || e.metaKey) return undefined;
  if (e.key === "Home") return lines[e.ctrlKey ? 0 : row]!.find(Boolean);
  if (e.key === "End") return lines.at(e.ctrlKey ? -1 : row)!.findLast(Boolean);
  const arrow = ARROWS[e.key];
  if (!arrow) return undefined;
  const [down, right] = arrow;
  let [y, x] = [row + down, lines[row]!.indexOf(from) + right];
  for (; lines[y] && x >= 0 && x < lines[y]!.length; y += down, x += right) {
    if (lines[y]![x]) return lines[y]![x];
  }
  return null;
}

/** A table of buttons that is one tab stop: arrows, Home and End move inside it, past what opens
    behind one of them. */
export function useArrows() {
  const ref = useRef<HTMLTableElement>(null);
  const lines = () =>
    [...ref.current!.rows]
      .filter((row) => !row.matches(".lw-behind"))
      .map((row) => [...row.cells].map((cell) => cell.querySelector("button")));
  const point = (target: unknown) => {
    for (const each of lines().flat()) if (each) each.tabIndex = each === target ? 0 : -1;
  };
  useLayoutEffect(() => {
    const all = lines();
    const held = all.flat().find((each) => each && each === focused(each));
    point(held || all.slice(1).flat().find(Boolean) || all.flat().find(Boolean));
  });
  return {
    ref,
    onFocusIn: (e: FocusEvent) => (e.target as Element).localName === "button" && point(e.target),
    onKeyDown: (e: KeyboardEvent) => {
      const target = tableTarget(lines(), e.target as HTMLButtonElement, e);
      if (target === undefined) return;
      e.preventDefault();
      target?.focus();
    },
  };
}

export interface Order {
  by: string;
  down: boolean;
  measure: string;
}

/** Hardest first unless a column is chosen; what has no figure stands last. */
export function sortedFields(
  rows: FieldScores[],
  letters: string[],
  { by, down, measure }: Order,
): FieldScores[] {
  if (!by) return rows;
  const column = letters.indexOf(by);
  const figure = (row: FieldScores) => row.cells[column]?.[measure]?.[0] ?? Infinity;
  const sorted = [...rows].sort((a, b) =>
    column < 0 ? a.name.localeCompare(b.name) : figure(a) - figure(b) || 0,
  );
  if (!down) return sorted;
  const known = sorted.filter((row) => column < 0 || figure(row) < Infinity).reverse();
  return [...known, ...sorted.filter((row) => !known.includes(row))];
}

const LESS_IS_BETTER = ["invented", "missed", "nulls_in_words"];

/** The worst share of a row; null where all are the same. */
export function hardest(row: FieldScores, measure: string): number | null {
  const known = row.cells.flatMap((cell) => cell?.[measure]?.[0] ?? []);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return least < most ? (LESS_IS_BETTER.includes(measure) ? most : least) : null;
}
