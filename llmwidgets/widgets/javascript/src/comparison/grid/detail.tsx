// What opens under a cell: the words a value came from, what the others say, the label by mouse.

import { Button, Failed, Fold } from "../../panel/parts";
import { Facts, Letter, Muted } from "../parts";
import type { Detail, Row } from "../state";
import type { Grid } from "./grid";

interface Props {
  grid: Grid;
  row: Row;
  content: Detail | null;
}

export function DetailView({ grid, row, content }: Props) {
  if (!content) return <p class="muted">Reading the reply.</p>;
  const { index, path, column, quote } = content;
  return (
    <div class="lw-ev">
      <div class="stack t">
        <div class="row wrap">
          <h3 class="m">{content.name}</h3>
          <Muted>{content.description}</Muted>
        </div>
        {content.failure && <Failed {...content.failure} />}
        {quote && (
          <p class="lw-quote">
            {quote.before}
            <mark>{quote.mark}</mark>
            {quote.after}
          </p>
        )}
        {content.absent && <p class="s tone-inv">{content.absent}</p>}
        {content.reply && (
          <Fold class="s" title="The reply as it came">
            <pre class="lw-code inside">{content.reply}</pre>
          </Fold>
        )}
        <div class="row wrap">
          <Button small onClick={() => grid.view.show("text", { text: { index, path } })}>
            Show in text
          </Button>
          {column >= 0 && (
            <Button small onClick={() => grid.view.show("request", { request: { index, column } })}>
              Show request
            </Button>
          )}
          {content.again && (
            <Button small send="run.resume">
              {content.again}
            </Button>
          )}
        </div>
        <LabelButtons {...{ grid, row, content }} />
      </div>
      <Facts
        rows={content.facts.map(([name, value, { label, said }]) => {
          const letter = name.length === 1;
          return [
            letter ? [<Letter>{name}</Letter>, " ", label] : name,
            [letter ? <b>{value}</b> : value, said && <Muted> {said}</Muted>],
          ];
        })}
      />
    </div>
  );
}

/** What the keys 1 to 9, T and 0 do, by mouse. */
function LabelButtons({ grid, row, content: { column, failure } }: Props & { content: Detail }) {
  if (row.name === "all fields") return null;
  return (
    <div class="row wrap">
      <span class="s muted">Truth:</span>
      {column >= 0 && !failure && (
        <Button small onClick={() => grid.label({ column }, row)}>
          Take {grid.variants[column]!.letter}
        </Button>
      )}
      <Button small onClick={() => grid.typeTruth(row)}>
        Type it
      </Button>
      <Button small onClick={() => grid.label({ none: true }, row)}>
        Not in the text
      </Button>
    </div>
  );
}
