// What opens under a cell: the words a value came from, what the others say, the label by mouse.

import { Button, Failed, Fold } from "../../panel/parts";
import { Chip, Facts, Letter, Muted, Spoken } from "../parts";
import type { Detail, Row } from "../state";
import { GLYPHS, isolate, READING, SPOKEN, stateClass } from "../words";
import type { Grid } from "./grid";

interface Props {
  grid: Grid;
  row: Row;
  content: Detail | null;
}

export function DetailView({ grid, row, content }: Props) {
  if (!content) return <p class="muted">{READING}</p>;
  const { index, path, column, repeat, quote } = content;
  return (
    <div class="lw-ev">
      <div class="stack t">
        <div class="row wrap">
          <h3 class="m">
            <bdi>{content.name}</bdi>
          </h3>
          <Muted>{content.description}</Muted>
        </div>
        {content.failure && <Failed {...content.failure} />}
        {quote && (
          <p class="lw-quote" dir="auto">
            {quote.before}
            <mark>{quote.mark}</mark>
            {quote.after}
          </p>
        )}
        {content.absent && <p class="s tone-inv">{content.absent}</p>}
        {content.reply && (
          <Fold class="s" title="The reply as it came">
            <pre class="lw-code inside" dir="auto">
              {content.reply}
            </pre>
          </Fold>
        )}
        <div class="row wrap">
          <Button small onClick={() => grid.view.show("text", { text: { index, path, repeat } })}>
            Show in text
          </Button>
          {column >= 0 && (
            <Button
              small
              onClick={() => grid.view.show("request", { request: { index, column, repeat } })}
            >
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
      <div class="stack t">
        {content.groups.length > 0 && <Groups grid={grid} content={content} />}
        <Facts
          rows={content.facts.map(([name, value, { label, said }]) => {
            const letter = name.length === 1;
            return [
              letter ? [<Letter>{name}</Letter>, " ", label] : name,
              [
                letter ? <b dir="auto">{value}</b> : <bdi>{value}</bdi>,
                said && <Muted> {said}</Muted>,
              ],
            ];
          })}
        />
      </div>
    </div>
  );
}

/** What the repeats gave, the most frequent first; each repeat shows its own reply. */
function Groups({ grid, content: { groups, repeat } }: Omit<Props, "row"> & { content: Detail }) {
  return (
    <table class="flush lw-groups">
      <tbody>
        {groups.map(({ times, text, state, repeats }) => (
          <tr key={repeats[0]}>
            <th class="nw" scope="row">
              <span class={`g ${stateClass(state)}`} title={SPOKEN[state]}>
                {GLYPHS[state] ?? "…"}
              </span>
              <Spoken>{SPOKEN[state]}, </Spoken>
              {` ${times}`}
            </th>
            <td class={state === "agree" ? undefined : "b"} dir="auto">
              {text}
            </td>
            <td>
              <div class="row lw-repeats" role="group" aria-label={`Repeats with ${isolate(text)}`}>
                {repeats.map((each) => (
                  <Chip
                    key={each}
                    on={each === repeat}
                    title={`Repeat ${each + 1}`}
                    onClick={() => grid.opened.ask(grid.layout.open!, each)}
                  >
                    <Spoken>Repeat </Spoken>
                    {each + 1}
                  </Chip>
                ))}
              </div>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** What the keys 1 to 9, T and 0 do, by mouse. */
function LabelButtons({ grid, row, content }: Props & { content: Detail }) {
  const { column, failure, repeat } = content;
  if (row.name === "all fields") return null;
  return (
    <div class="row wrap">
      <span class="s muted">Truth:</span>
      {column >= 0 && !failure && (
        <Button small onClick={() => grid.label({ column, repeat }, row)}>
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
