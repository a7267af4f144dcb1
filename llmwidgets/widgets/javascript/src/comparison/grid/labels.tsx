// The labels made in the grid: how many, what the newest one changed, the way back, and the way out.

import { Button } from "../../panel/parts";
import { Grow } from "../parts";
import type { Result } from "../state";
import type { Grid } from "./grid";

interface Props {
  result: Result;
  grid: Grid;
}

export function Labels({ result: { labels, undo }, grid: { changedLast, view } }: Props) {
  const save = (format: string) => view.send("labels.export", { format });
  return (
    <div class="lw-bar row wrap lw-labels">
      <p class="s" role="status">
        <b>{labels}</b> {labels === 1 ? "label" : "labels"} made here, after the values were seen
        {changedLast && (
          <>
            ; <bdi class="b">{changedLast.name}</bdi> changed, was <bdi>{changedLast.was}</bdi>
          </>
        )}
      </p>
      <Grow />
      <Button small bare title={`${undo} (Ctrl+Z)`} send="labels.undo">
        Undo
      </Button>
      <Button small bare onClick={() => save("csv")}>
        Labels as CSV
      </Button>
      <Button small bare onClick={() => save("jsonl")}>
        JSONL
      </Button>
    </div>
  );
}
