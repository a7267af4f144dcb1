// Quality against cost and against time: points named directly, unknown prices in a place of their own.

import {
  CHART,
  costPlot,
  gridLines,
  type Words as Placed,
  type Plot,
  timePlot,
  yScale,
} from "./geometry";
import { AllFields } from "./measures";
import { Small, Waiting, type Words } from "./parts";
import { Margin } from "./scores";
import type { Point, Scores } from "./state";
import { useView } from "./view";

export function Charts() {
  const got = useView().need<Scores>("scores");
  if (!got) return <Waiting>Counting.</Waiting>;
  if (!got.scored) {
    return (
      <>
        <Titled title="No quality to draw">
          <p class="muted">
            None of these texts has truth. With truth, this shows the share of fields right against
            cost and time.
          </p>
        </Titled>
        <AllFields of={got} />
      </>
    );
  }
  const timed = timePlot(got);
  const cost = (each: Point) =>
    `${each.label} ${each.right}, ${each.cost === null ? "price unknown" : `$${each.cost}`}${
      each.recommended ? ", recommended" : ""
    }`;
  return (
    <>
      <div class="cols lw-halves lw-even">
        <Titled
          title="Quality against cost"
          about={[
            "% of fields right, with 95 % interval. ",
            got.band && <Margin of={got} />,
            got.band && got.points.some((each) => each.recommended) && "; ✓ recommended",
          ]}
        >
          <Chart of={got} plot={costPlot(got)} label="Fields right against cost" said={cost} />
        </Titled>
        <Titled
          title="Quality against time"
          about="% of fields right; boxes moved a little where they would overlap"
        >
          {timed ? (
            <Chart
              of={got}
              plot={timed}
              label="Fields right against seconds"
              said={(each) => `${each.label} ${each.right}, ${each.p50} s`}
            />
          ) : (
            <p class="muted">No reply was timed.</p>
          )}
        </Titled>
      </div>
      <AllFields of={got} />
    </>
  );
}

const Titled = ({ title, about, children }: { title: string; about?: Words; children: Words }) => (
  <div class="body stack t">
    <div>
      <h3>{title}</h3>
      {about && <Small>{about}</Small>}
    </div>
    {children}
  </div>
);

interface Props {
  of: Scores;
  plot: Plot;
  label: string;
  said: (point: Point) => string;
}

function Chart({ of: got, plot: { right, aside, axis, marks }, label, said }: Props) {
  const y = yScale(got.scale);
  const points = got.points.filter((each) => marks.some(({ point }) => point === each));
  const top = got.band && y(got.band[1]);
  return (
    <svg
      class="lw-chart"
      viewBox={`0 0 ${CHART.width} ${CHART.height}`}
      width="100%"
      role="img"
      aria-label={`${label}: ${points.map(said).join("; ")}`}
    >
      {got.band && (
        <rect
          class="mg"
          x={CHART.left}
          y={top!}
          width={CHART.right - CHART.left}
          height={y(got.band[0]) - top!}
        />
      )}
      {gridLines(got).map((value) => (
        <>
          <path
            class="ax"
            d={`M${CHART.left} ${y(value)}H${right}${aside ? `M${right + 12} ${y(value)}H${CHART.right}` : ""}`}
          />
          <Text
            of={{ x: CHART.left - 8, y: y(value) + 4, words: `${value}`, anchor: "end" }}
            look="mu"
          />
        </>
      ))}
      {axis.map((each) => (
        <Text of={each} look="mu" />
      ))}
      {marks.map(({ point, x, y: at, line, name }) => (
        <>
          {line && <path class="iv" d={line} />}
          <rect
            class={point.recommended ? "bx best" : "bx"}
            x={x - 8}
            y={at - 8}
            width={16}
            height={16}
            rx={2}
          />
          <Text of={{ x, y: at + 4, words: point.letter, anchor: "middle" }} look="ab" />
          {name && <Text of={name} />}
        </>
      ))}
    </svg>
  );
}

const Text = ({ of: { x, y, words, anchor }, look }: { of: Placed; look?: string }) => (
  <text class={look} x={x} y={y} text-anchor={anchor}>
    {words}
  </text>
);
