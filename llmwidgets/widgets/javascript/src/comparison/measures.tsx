// Fields by models: what share is right, of how many; each cell leads to its rows in the grid.

import { Select } from "../panel/controls";
import { Icon, TextButton } from "../panel/parts";
import { Aside, Grow, Letter, Row, Scroll, Spoken, useArrows } from "./parts";
import type { Choice, FieldScores, Figure, Scores } from "./state";
import { useKept, useView, type View } from "./view";
import { hardest, type Order, sortedFields } from "./words";

const FIELDS_AT_ONCE = 8;

/** The hardest fields beside the scoreboard; the whole table stands under Charts. */
export function HardestFields({ scores }: { scores: Scores }) {
  const view = useView();
  const { rows, measures } = scores.fields;
  return (
    <div class="body stack t">
      <div class="row">
        <h3>By field</h3>
        <Aside>{measures[0]![1]}, hardest first</Aside>
      </div>
      <FieldTable scores={scores} rows={rows.slice(0, FIELDS_AT_ONCE)} measure={measures[0]!} />
      <TextButton onClick={() => view.show("charts", {}, "sort-name")}>
        {rows.length > FIELDS_AT_ONCE
          ? `All ${rows.length} fields, precision and recall`
          : "More about each field"}
      </TextButton>
    </div>
  );
}

/** Every field, by any measure, in any order. */
export function AllFields({ scores }: { scores: Scores }) {
  const { rows, measures } = scores.fields;
  const [order, setOrder] = useKept<Order>("order", { by: "", down: false, measure: "" });
  if (!rows.length) return null;
  const measure = measures.find(([name]) => name === order.measure) ?? measures[0]!;
  const sort = (by: string) => setOrder({ ...order, by, down: order.by === by && !order.down });
  return (
    <div class="body stack t lw-fields-all">
      <Row>
        <h3>Fields by model</h3>
        <Aside>Each cell opens its rows in the grid.</Aside>
        <Grow />
        {measures.length > 1 && (
          <Select
            class="in s"
            aria-label="Measure"
            options={measures}
            value={measure[0]}
            onPick={(name) => setOrder({ ...order, measure: name })}
          />
        )}
      </Row>
      <Scroll>
        <FieldTable
          scores={scores}
          rows={sortedFields(rows, scores.order, { ...order, measure: measure[0] })}
          measure={measure}
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
  /** Where a table can be sorted it stands alone, and says of how many each share is. */
  sorted?: Order;
  sort?: (by: string) => void;
}

/** A grid of buttons: one tab stop, arrows move, Enter opens the rows of the grid. */
function FieldTable({ scores: { order }, rows, measure: [measure, words], sorted, sort }: Props) {
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
          data-focus={`sort-${by}`}
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
                  onClick={() => openField(view, row.path)}
                >
                  {row.name}
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
  const value = share.toFixed(1);
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
        {counted && <span class="muted lw-of"> n {of.toLocaleString("en")}</span>}
        <span class="lw-tick">
          <i style={`width:${share}%`} />
        </span>
      </button>
    </td>
  );
}

/** The grid, narrowed to one field; the cursor stands in the model's column. */
function openField(view: View, field: string, column = 0, right = false): void {
  view.column = column;
  view.show("differences", {}, "grid");
  view.narrow({ only: right ? "all" : "disagree", states: [], field, query: "" });
}
