// Earlier runs of the same fields, and two of them beside each other.

import { useState } from "preact/hooks";
import { useMessage, usePanel } from "../panel/panel";
import { Alert, Button, Failed, TextButton } from "../panel/parts";
import type { Message } from "../panel/protocol";
import { Tick } from "../panel/tick";
import type { Interval } from "./answers";
import { Aside, Head, Letter, Muted, Scroll, Small, Spoken, VariantName } from "./parts";
import { Line } from "./scores/pairs";
import type { Change, Compared, Earlier, Flips, PastRun, Sentence } from "./state";

interface Props {
  earlier: Earlier;
  back: string;
  error: Sentence | null;
}

export function RunsScreen({ earlier, back, error }: Props) {
  const { said, empty, rows, pair, ready, compared } = earlier;
  return (
    <>
      <Head title="Comparison" facts={<Aside>{said || "Earlier runs"}</Aside>}>
        <Button bare small data-focus="runs" send="runs.back">
          {back}
        </Button>
      </Head>
      <Alert error={error} />
      {empty ? (
        <div class="body">
          <Failed {...empty} />
        </div>
      ) : (
        <>
          <Scroll>
            <Runs rows={rows} />
          </Scroll>
          <div class="lw-bar row wrap lw-pick">
            <Button go disabled={!ready} data-next={compared ? undefined : ""} send="runs.compare">
              Compare these two
            </Button>
            <Aside>
              <span role="status">{pair}</span>
            </Aside>
          </div>
          {compared && <Beside compared={compared} />}
        </>
      )}
    </>
  );
}

function Runs({ rows }: { rows: PastRun[] }) {
  const panel = usePanel();
  return (
    <table class="lw-past">
      <thead>
        <tr>
          <th scope="col">
            <Spoken>Compare</Spoken>
          </th>
          <th scope="col">Date</th>
          <th scope="col">Texts</th>
          <th scope="col">Models</th>
          <th scope="col" class="narrow-hide">
            Most fields right
          </th>
          <th scope="col" class="r narrow-hide">
            Calls
          </th>
          <th scope="col" class="r nw">
            Cost paid
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((run) => (
          <tr key={run.id} class={run.ticked ? "on" : undefined}>
            <td>
              <Tick
                checked={run.ticked}
                aria-label={`Compare the run of ${run.date}`}
                data-focus={`run-${run.id}`}
                onTick={() => panel.send("runs.tick", { run: run.id })}
              />
            </td>
            <th scope="row" class="nw">
              {run.date}
              {run.shown && <span class="s muted lw-said">shown</span>}
            </th>
            <td class="nw">{run.texts}</td>
            <td class="lw-models">{run.models}</td>
            <td class="narrow-hide">{run.best}</td>
            <td class="r narrow-hide">{run.calls}</td>
            <td class="r">
              {run.cost} {run.unknown && <Muted>{run.unknown}</Muted>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Beside({ compared }: { compared: Compared }) {
  const [flips, setFlips] = useState<Flips | null>(null);
  useMessage<Flips & Message>("flips", setFlips);
  const { headline, details, heads, scale, rows } = compared;
  const known = rows.some(({ label }) => label === flips?.label);
  return (
    <div class="body stack t">
      <div class="stack x" role="status">
        <p class="lw-verdict">{headline}</p>
        {details && <p class="muted lw-details">{details}</p>}
      </div>
      {rows.length > 0 && (
        <Scroll>
          <table class="flush lw-pairs lw-since">
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col" class="r">
                  {heads[0]}
                </th>
                <th scope="col" class="r">
                  {heads[1]}
                </th>
                <th scope="col" class="r">
                  Change in 100
                </th>
                <th scope="col" class="narrow-hide">
                  <span class="lw-ways-of">
                    <span>worse</span>
                    <span>0</span>
                    <span>better</span>
                  </span>
                </th>
                <th scope="col" class="r">
                  To wrong
                </th>
                <th scope="col" class="r">
                  To right
                </th>
                <th scope="col">
                  <Spoken>Fields</Spoken>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <ChangeRow key={row.letter} row={row} scale={scale} flips={flips} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {flips && known && <Flipped flips={flips} close={() => setFlips(null)} />}
    </div>
  );
}

interface ChangeProps {
  row: Change;
  scale: Compared["scale"];
  flips: Flips | null;
}

function ChangeRow({ row, scale, flips }: ChangeProps) {
  const panel = usePanel();
  return (
    <tr>
      <th scope="row">
        <VariantName letter={row.letter} label={row.label} />
      </th>
      <td class="r">{row.before}</td>
      <td class="r">{row.now}</td>
      <td class="r nw">
        {row.certain ? <b>{row.change}</b> : row.change}
        <Spoken>{row.said}</Spoken>
      </td>
      <td class="narrow-hide">
        {row.interval ? (
          <span aria-hidden="true" title={row.said}>
            <Line
              interval={row.interval as Interval}
              scale={scale}
              width={176}
              pad={4}
              zero="short"
            />
          </span>
        ) : (
          <Muted>{row.said}</Muted>
        )}
      </td>
      <td class="r">{row.to_wrong}</td>
      <td class="r">{row.to_right}</td>
      <td class="r nw">
        {row.show && (
          <TextButton
            data-focus={`flips-${row.letter}`}
            aria-expanded={flips?.letter === row.letter}
            aria-label={`${row.show} of ${row.label}`}
            onClick={() => panel.send("runs.flips", { variant: row.variant })}
          >
            {row.show}
          </TextButton>
        )}
      </td>
    </tr>
  );
}

/** The fields of one model that flipped, with their values. */
function Flipped({ flips, close }: { flips: Flips; close: () => void }) {
  const { letter, label, heads, rows, said } = flips;
  return (
    <div class="stack t lw-flips">
      <div class="row">
        <h3>
          <Letter>{letter}</Letter> {label}
        </h3>
        <span class="grow" />
        <Button bare small data-focus={`flips-${letter}`} onClick={close}>
          Hide
        </Button>
      </div>
      <Scroll>
        <table class="flush lw-pairs">
          <thead>
            <tr>
              <th scope="col">Text</th>
              <th scope="col">Field</th>
              <th scope="col">Truth</th>
              <th scope="col">{heads[0]}</th>
              <th scope="col">{heads[1]}</th>
              <th scope="col">
                <Spoken>Outcome</Spoken>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr>
                <th scope="row" class="m">
                  {row.text}
                </th>
                <td class="m">
                  <bdi>{row.field}</bdi>
                </td>
                <td dir="auto">{row.truth}</td>
                <td dir="auto">{row.before}</td>
                <td dir="auto">
                  <b>{row.now}</b>
                </td>
                <td class={row.right ? "tone-ok nw" : "tone-warn nw"}>
                  {row.right ? "= right" : "≠ wrong"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {said && <Small>{said}</Small>}
    </div>
  );
}
