// What the grid says above and below its rows in the order of review.

import { Button } from "../../panel/parts";
import { Aside, Grow, Hints, Muted } from "../parts";
import type { Result } from "../state";
import type { Grid } from "./grid";

/** What the rows are, what this order has found, and a new one when labels are to count. */
export function ReviewHead({ result, grid }: { result: Result; grid: Grid }) {
  const { view, waits } = grid;
  const review = grid.answer?.review;
  const ordering = waits && grid.order.order === undefined;
  const same = review?.revision === result.revision && !result.live;
  const again = () => {
    view.narrow({ sort: "review" });
    grid.focus();
  };
  return (
    <>
      <p class="grow" role="status">
        <b>{review && !ordering ? review.head : "Review"}</b>
        {ordering && <Muted> {view.get("reviewing", "") || "Ordering the values."}</Muted>}
        {!ordering && review?.found && `; ${review.found} `}
        {!ordering && review?.found && <Muted>{review.random}</Muted>}
      </p>
      <Button
        bare
        small
        disabled={ordering || same}
        title={same ? "No label was made since" : "Puts the rows in order by what is labelled now"}
        onClick={again}
      >
        Order again
      </Button>
    </>
  );
}

export const ReviewFoot = ({ grid }: { grid: Grid }) => (
  <>
    <Hints
      keys={[
        ["1 – 9", "A, B, C … is right"],
        ["T", "type the truth"],
        ["0", "there is no value"],
        ["Enter", "open"],
      ]}
    />
    <Grow />
    <Aside>{grid.answer?.review?.foot}</Aside>
  </>
);
