// Each two models: how far they are apart, or without truth how far they say the same.

import type { Interval, Pair, Range, Scores } from "../answers";
import { Heads, Letter, Muted, Scroll, Small, Spoken } from "../parts";
import { intervalWords, lineScale } from "./geometry";

interface LineProps {
  interval: Interval;
  scale: Range;
  width: number;
  pad: number;
  /** What lies near enough to the best. */
  band?: Range | null;
  /** Where 0 is marked, and whether over two lines of text. */
  zero?: "short" | "tall";
}

/** A dot at the value and a line with end ticks. */
export function Line({ interval, scale, width, pad, band = null, zero }: LineProps) {
  const x = lineScale(scale, width, pad);
  const [from, value, to] = interval;
  return (
    <svg
      class="ci"
      viewBox={`0 0 ${width} 16`}
      width={width}
      height={16}
      role="img"
      aria-label={intervalWords(interval, band)}
    >
      {band && (
        <rect class="mg" x={x(band[0])} y={-8} width={x(band[1]) - x(band[0])} height={32} />
      )}
      {zero ? (
        <path class="zero" d={`M${x(0)} -6v${zero === "tall" ? 43 : 29}`} />
      ) : (
        <path class="ax" d={`M${pad} 8H${width - pad}`} />
      )}
      {from !== null && (
        <path class="iv" d={`M${x(from)} 8H${x(to!)}M${x(from)} 5v6M${x(to!)} 5v6`} />
      )}
      <circle class="pt" cx={x(value)} cy={8} r={4} />
    </svg>
  );
}

type NameProps = { pair: { a: string; b: string } } & Record<"sign" | "spoken", string>;

const PairName = ({ pair: { a, b }, sign, spoken }: NameProps) => (
  <th scope="row" class="nw">
    <Letter>{a}</Letter>
    {` ${sign} `}
    <Letter>{b}</Letter>
    <Spoken>{`${a} ${spoken} ${b}`}</Spoken>
  </th>
);

export function Pairs({ scores }: { scores: Scores }) {
  const { pairs, pairs_said: said, pair_scale: scale, matters } = scores;
  return (
    <div class="body stack t">
      <div>
        <h3>In pairs</h3>
        <Small>{said}</Small>
      </div>
      <Scroll>
        <table class="flush lw-pairs">
          <Heads
            columns={[
              "Models",
              "r Points",
              <Spoken>Interval</Spoken>,
              <span class="nw">95 % interval</span>,
              "Verdict",
            ]}
          />
          <tbody>
            {pairs.map((pair: Pair) => (
              <tr>
                <PairName pair={pair} sign="−" spoken="minus" />
                <td class="r">{pair.points}</td>
                <td>
                  {pair.interval && (
                    <Line
                      interval={pair.interval}
                      scale={scale}
                      width={132}
                      pad={6}
                      zero={pair.needed ? "tall" : "short"}
                    />
                  )}
                </td>
                <td class="muted nw">{pair.range}</td>
                <td>
                  {pair.certain ? <b>{pair.verdict}</b> : <Muted>{pair.verdict}</Muted>}
                  {pair.needed && (
                    <span
                      class="muted lw-under"
                      title={`To show ${matters} in 100 four times in five`}
                    >
                      {pair.needed}
                    </span>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </div>
  );
}

/** Without truth: how far each two models say the same. */
export function Shared({ scores: { shared } }: { scores: Scores }) {
  return (
    <div class="body stack t">
      <h3>In pairs</h3>
      <table class="flush lw-pairs">
        <Heads columns={["Models", "r % the same", <Spoken>Bar</Spoken>, "r Values"]} />
        <tbody>
          {shared.map((pair) => (
            <tr>
              <PairName pair={pair} sign="=" spoken="and" />
              <td class="r">{pair.share}</td>
              <td class="lw-wide-bar">
                <span class="lw-tick">
                  <i style={`width:${Number(pair.share)}%`} />
                </span>
              </td>
              <td class="r muted">{pair.of}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
