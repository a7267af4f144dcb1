// In which order the grid shows its rows, and what a row shows in the order of review.

import { Select } from "../../panel/controls";
import { Chip, Spoken } from "../parts";
import type { View } from "../view";

export interface Filter {
  only: "disagree" | "all" | "unlabelled";
  states: string[];
  field: string;
  query: string;
  sort: "loud" | "given" | "review";
}

/** What a row says in the order of review: its text, its rank where no chance is known, what set
    its truth, and the chance of each value to be wrong, in percent. */
export interface Doubted {
  text: string;
  rank: string;
  set: string;
  doubts: (number | null)[];
}

/** The order of review: its number, of which revision it is, and what is known of it. */
export interface Review {
  order: number;
  revision: number;
  /** How many rows to ask for to see more. */
  next: number;
  head: string;
  found: string;
  random: string;
  foot: string;
}

const ORDERS: [Filter["sort"], string][] = [
  ["loud", "Most disagreement first"],
  ["given", "In the order of the texts"],
  ["review", "Review: most doubtful first"],
];

export const Order = ({ view }: { view: View }) => (
  <Select
    class="in s"
    aria-label="Order"
    data-focus="order"
    options={ORDERS}
    value={view.filter.sort}
    onPick={(sort) => {
      view.narrow({ sort: sort as Filter["sort"] });
      // The bar that it stands in is another one now.
      view.show(view.tab, {}, "order");
    }}
  />
);

/** The slice of the texts that is shown alone, and the way back to all of them. */
export function OneSlice({ view }: { view: View }) {
  const slice = view.grid?.answer?.slice;
  if (!slice) return null;
  return (
    <Chip on onClick={() => view.slice(-1)}>
      <Spoken>Only</Spoken>
      <span>{slice}</span>
      <b aria-hidden="true">×</b>
      <Spoken>Show all texts again</Spoken>
    </Chip>
  );
}

/** The text of a row, and its rank where that is all that is known. */
export const TextName = ({ doubted: { text, rank } }: { doubted: Doubted }) => (
  <small>
    {rank && <span class="lw-rank"> {rank} </span>}
    <bdi>{text}</bdi>
  </small>
);

/** How often the value came, and the chance that it is wrong, in percent. */
export const DoubtLine = ({ doubt, of }: { doubt: number; of?: string }) => (
  <span class="lw-doubt">
    <span>{of}</span>
    <i>
      <i style={`width:${doubt}%`} />
    </i>
    <b>{doubt} %</b>
  </span>
);
