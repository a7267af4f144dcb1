// In which order the grid shows its rows, and what a row shows in the order of review.

import { Select } from "../../panel/controls";
import { Chip, Spoken } from "../parts";
import type { Doubted, Filter } from "../state";
import type { View } from "../view";

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

type Doubt = Doubted["doubts"][number];

/** How often the value came, and the chance that it is wrong as a bar, or its rank. */
export const DoubtLine = ({ doubt: [percent, words], of }: { doubt: Doubt; of?: string }) => (
  <span class="lw-doubt">
    <span>{of}</span>
    {percent !== null && (
      <i>
        <i style={`width:${percent}%`} />
      </i>
    )}
    <b>{words}</b>
  </span>
);

export const spokenDoubt = ([percent, words]: Doubt) =>
  words && `, ${words}${percent === null ? "" : " doubt"}`;
