// Quality against cost and against time: points named directly, unknown prices in a place of their own.

import { Icon } from "../../panel/parts";
import type { Point, Scores } from "../answers";
import { Small, Waiting, type Words } from "../parts";
import {
  CHART,
  costPlot,
  gridLines,
  type Words as Placed,
  type Plot,
  timePlot,
  yScale,
} from "../scores/geometry";
import { AllFields, Stability } from "../scores/measures";
import { Reliability } from "../scores/reliability";
import { SliceHead, SlicePictures } from "../scores/slices";
import { Margin, useScores } from "./scoreboard";

export default function Charts() {
  const scores = useScores();
  if (!scores) return <Waiting>Counting.</Waiting>;
  if (!scores.scored) {
    return (
      <>
        <Titled title="No quality to draw">
          <p class="muted">
            None of these texts has truth. With truth, this shows the share of fields right against
            cost and time.
          </p>
        </Titled>
        <AllFields scores={scores} />
        <Stability scores={scores} />
        <Reliability />
      </>
    );
  }
  const timed = timePlot(scores);
  const priced = costPlot(scores);
  return (
    <>
      {(scores.slicing.columns.length > 0 || scores.slicing.by) && (
        <div class="lw-bar">
          <SliceHead scores={scores} />
        </div>
      )}
      <div class="cols lw-halves lw-even">
        <Titled
          title="Quality against cost"
          about={[
            "% of fields right, with 95 % interval. ",
            scores.band && <Margin scores={scores} />,
            scores.band && scores.points.some((each) => each.recommended) && "; ✓ recommended",
          ]}
        >
          {priced ? (
            <Chart
              scores={scores}
              plot={priced}
              label="Fields right against cost"
              said={(each) => each.said[0]}
            />
          ) : (
            <NoPrice points={scores.points} />
          )}
        </Titled>
        <Titled
          title="Quality against time"
          about="% of fields right; boxes moved a little where they would overlap"
        >
          {timed ? (
            <Chart
              scores={scores}
              plot={timed}
              label="Fields right against seconds"
              said={(each) => each.said[1]}
            />
          ) : (
            <p class="muted">No reply was timed.</p>
          )}
        </Titled>
      </div>
      {scores.slices && <SlicePictures scores={scores} slices={scores.slices} />}
      <AllFields scores={scores} />
      <Stability scores={scores} />
      <Reliability />
    </>
  );
}

/** What stands in the place of a chart that would have nothing on its axis. */
const NoPrice = ({ points }: { points: Point[] }) => (
  <div class="note">
    <Icon name="none" tone="none" />
    <h3>
      {points.some((each) => each.cost === null)
        ? "No price is known, so there is no cost to draw."
        : "These models cost nothing, so there is no cost to draw."}
    </h3>
    <p class="muted">
      Say what a model costs in code: <code class="nw">lw.Variant("…", price=(0.25, 2))</code>, US
      dollars for a million tokens in and out.
    </p>
  </div>
);

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
  scores: Scores;
  plot: Plot;
  label: string;
  said: (point: Point) => string;
}

function Chart({ scores, plot: { right, aside, axis, marks }, label, said }: Props) {
  const y = yScale(scores.scale);
  const points = scores.points.filter((each) => marks.some(({ point }) => point === each));
  const top = scores.band && y(scores.band[1]);
  return (
    <svg
      class="lw-chart"
      viewBox={`0 0 ${CHART.width} ${CHART.height}`}
      width="100%"
      role="img"
      aria-label={`${label}: ${points.map(said).join("; ")}`}
    >
      {scores.band && (
        <rect
          class="mg"
          x={CHART.left}
          y={top!}
          width={CHART.right - CHART.left}
          height={y(scores.band[0]) - top!}
        />
      )}
      {gridLines(scores).map((value) => (
        <>
          <path
            class="ax"
            d={`M${CHART.left} ${y(value)}H${right}${aside ? `M${right + 12} ${y(value)}H${CHART.right}` : ""}`}
          />
          <Text
            at={{ x: CHART.left - 8, y: y(value) + 4, words: `${value}`, anchor: "end" }}
            look="mu"
          />
        </>
      ))}
      {axis.map((each) => (
        <Text at={each} look="mu" />
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
          <Text at={{ x, y: at + 4, words: point.letter, anchor: "middle" }} look="ab" />
          {name && <Text at={name} />}
        </>
      ))}
    </svg>
  );
}

const Text = ({ at: { x, y, words, anchor }, look }: { at: Placed; look?: string }) => (
  <text class={look} x={x} y={y} text-anchor={anchor}>
    {words}
  </text>
);
