// While it runs: how far each variant is, who waits for what, what it cost, and Stop.

import { usePanel } from "../../panel/panel";
import { Alert, Button, Icon, Note } from "../../panel/parts";
import { Grow, Head, Scroll, Small, Status, VariantName } from "../parts";
import type { Progress, Running, Sentence } from "../state";

interface Props {
  running: Running;
  error: Sentence | null;
}

export function RunningScreen({ running: run, error }: Props) {
  const { loss } = usePanel(); // what goes on now is not known then
  return (
    <>
      <Head
        title="Comparison"
        facts={
          !loss && (
            <>
              <b>{run.status}</b>
              <Status>{run.said}</Status>
            </>
          )
        }
      >
        {run.again && (
          <Button bare send="run.again">
            {run.again}
          </Button>
        )}
        {run.show && (
          <Button data-main="" send="run.show">
            {run.show}
          </Button>
        )}
        {run.resume && (
          <Button go data-next="" send="run.resume">
            {run.resume}
          </Button>
        )}
        {run.stop && (
          <Button data-next="" disabled={run.stopping} send="run.stop">
            {run.stop}
          </Button>
        )}
      </Head>
      <Alert error={error} />
      {run.note && (
        <div class="body">
          <Note icon="warn" title={run.note.sentence} text={run.note.hint} />
        </div>
      )}
      <Scroll>
        <table class="lw-runs">
          <thead>
            <tr>
              <th scope="col">Model</th>
              <th scope="col" colSpan={2}>
                Replies
              </th>
              {["Not valid", "Median", "Cost"].map((each) => (
                <th scope="col" class="r">
                  {each}
                </th>
              ))}
              <th scope="col" class="lw-now">
                Now
              </th>
            </tr>
          </thead>
          <tbody>
            {run.columns.map((each) => (
              <ProgressRow key={each.letter} column={each} />
            ))}
          </tbody>
        </table>
      </Scroll>
      <footer>
        <Small>{run.foot}</Small>
        <Grow />
        {run.differences && (
          <Button small send="run.show">
            {[<>Differences so far </>, <b>{run.differences}</b>]}
          </Button>
        )}
      </footer>
    </>
  );
}

function ProgressRow({ column }: { column: Progress }) {
  const { loss } = usePanel();
  const { letter, label, done, failed, total, now, ...said } = column;
  const share = (part: number) => `width:${total ? (100 * part) / total : 0}%`;
  return (
    <tr>
      <th scope="row">
        <VariantName letter={letter} label={label} />
      </th>
      <td class="p">
        <div
          class="bar"
          role="progressbar"
          aria-label={`${letter}, ${label}`}
          aria-valuemin={0}
          aria-valuemax={total}
          aria-valuenow={done + failed}
        >
          <i style={share(done)} />
          <i class="x" style={share(failed)} />
        </div>
      </td>
      <td class="r nw">{said.count}</td>
      <td class={failed ? "r nw tone-fail b" : "r"}>{failed ? `! ${failed}` : 0}</td>
      <td class="r nw">{said.median}</td>
      <td class={said.cost === "unknown" ? "r muted" : "r nw"}>{said.cost}</td>
      <td>
        {!loss && (
          <span class={`row top tone-${now.tone}`}>
            {now.icon && <Icon name={now.icon} />}
            <span>{now.text}</span>
          </span>
        )}
      </td>
    </tr>
  );
}
