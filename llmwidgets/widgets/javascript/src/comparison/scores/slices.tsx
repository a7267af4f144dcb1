// Slices of the texts: the choice of one, each with its figures, and the same as small pictures.

import { Select } from "../../panel/controls";
import { TextButton } from "../../panel/parts";
import type { Scores, SliceRow, Slices } from "../answers";
import { Heading, Muted, Scroll, Small, VariantName } from "../parts";
import { useView, type View } from "../view";
import { lineScale } from "./geometry";
import { Line } from "./pairs";

const ALL = "-1";

/** "Show [All 60 texts] by [vendor]". */
export function SliceHead({ scores: { slicing } }: { scores: Scores }) {
  const view = useView();
  const { columns, by, all, slices, only } = slicing;
  if (!columns.length && !by) return null;
  return (
    <div class="row wrap lw-slicing">
      <Muted>Show</Muted>
      {by ? (
        <Select
          class="in s"
          aria-label="Show these texts"
          options={[[ALL, all], ...slices.map((each, at) => [String(at), each] as const)]}
          value={String(only)}
          onPick={(at) => view.slice(Number(at))}
        />
      ) : (
        <span class="s">{all}</span>
      )}
      <Muted>by</Muted>
      <Select
        class="in s"
        aria-label="By this column of the texts"
        options={[["", "no column"], ...columns]}
        value={by}
        onPick={(name) => view.slice(-1, name)}
      />
    </div>
  );
}

const labelOf = (view: View, letter: string) =>
  view.state.screen === "results"
    ? (view.state.result.variants.find((each) => each.letter === letter)?.label ?? "")
    : "";

/** Each slice with each model's share right, its interval, and how far it is behind the best. */
export function SliceTable({ scores, slices }: { scores: Scores; slices: Slices }) {
  const view = useView();
  const { by, measure, rows, scale, said } = slices;
  const { only } = scores.slicing;
  const behind = rows.some(({ cells }) => cells.some((each) => each.behind));
  return (
    <section class="body stack t lw-slices" aria-label={`By ${by}`}>
      <Heading
        title={`By ${by}`}
        about={behind ? `${measure}, and how far that is behind the best` : measure}
      >
        {only >= 0 && <TextButton onClick={() => view.slice(-1)}>{scores.slicing.all}</TextButton>}
      </Heading>
      <Scroll>
        <table class="flush lw-byslice">
          <thead>
            <tr>
              <th scope="col">{by}</th>
              {scores.order.map((letter) => (
                <th scope="col">
                  <VariantName letter={letter} label={labelOf(view, letter)} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, at) => (
              <tr
                key={row.name}
                class={[row.few && "off", at === only && "on"].filter(Boolean).join(" ")}
              >
                <th scope="row">
                  <TextButton
                    aria-pressed={at === only}
                    title="Show these texts alone"
                    onClick={() => view.slice(at === only ? -1 : at)}
                  >
                    {row.name}
                  </TextButton>
                  <span class="muted lw-below">{row.said}</span>
                </th>
                {row.cells.map(({ right, interval, range, behind }) => (
                  <td title={range === "–" ? undefined : `95 % interval ${range}`}>
                    <span class="row">
                      <b class="lw-big">{right}</b>
                      {behind && <Muted>{behind}</Muted>}
                    </span>
                    {interval && <Line {...{ interval, scale, width: 88, pad: 4 }} />}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      <Small>{said}</Small>
    </section>
  );
}

// ---- small pictures ------------------------------------------------------------------------------

const WIDTH = 224;
const LEFT = 28;
const STEP = 20;

/** One small picture for each slice, all on one scale. */
export function SlicePictures({ scores, slices }: { scores: Scores; slices: Slices }) {
  const { by, measure, rows, said } = slices;
  return (
    <section class="body stack t lw-slices" aria-label={`By ${by}`}>
      <Heading
        title={`By ${by}`}
        about={`${measure}, with 95 % interval; pale where texts are too few to tell`}
      />
      <div class="lw-multiples">
        {rows.map((row) => (
          <figure key={row.name} class={row.few ? "off" : undefined}>
            <figcaption class="s">
              <b>{row.name}</b> <span class="muted lw-below">{row.said}</span>
            </figcaption>
            <Picture row={row} slices={slices} order={scores.order} />
          </figure>
        ))}
      </div>
      <Small>{said}</Small>
    </section>
  );
}

interface PictureProps {
  row: SliceRow;
  slices: Slices;
  order: string[];
}

function Picture({ row, slices: { scale, step }, order }: PictureProps) {
  const x = (value: number) => LEFT + lineScale(scale, WIDTH - LEFT, 10)(value);
  const height = STEP * order.length + 20;
  const ticks = [];
  for (let value = scale[0]; value <= scale[1]; value += step) ticks.push(value);
  const words = order.map((letter, n) => {
    const { right, range } = row.cells[n]!;
    return `${letter} ${right}${range === "–" ? "" : `, ${range}`}`;
  });
  return (
    <svg
      class="lw-chart"
      viewBox={`0 0 ${WIDTH} ${height}`}
      width="100%"
      role="img"
      aria-label={`${row.name}, ${row.said}: ${words.join("; ")}`}
    >
      {ticks.map((value) => (
        <>
          <path class="ax" d={`M${x(value)} 2V${height - 18}`} />
          <text class="mu" x={x(value)} y={height - 4} text-anchor="middle">
            {value}
          </text>
        </>
      ))}
      {order.map((letter, n) => {
        const { interval } = row.cells[n]!;
        const y = STEP * n + 12;
        return (
          <>
            <text class="ab" x={10} y={y + 4} text-anchor="middle">
              {letter}
            </text>
            {interval && interval[0] !== null && (
              <path
                class="iv"
                d={`M${x(interval[0])} ${y}H${x(interval[2]!)}M${x(interval[0])} ${y - 3}v6M${x(interval[2]!)} ${y - 3}v6`}
              />
            )}
            {interval && <circle class="pt" cx={x(interval[1])} cy={y} r={4} />}
          </>
        );
      })}
    </svg>
  );
}
