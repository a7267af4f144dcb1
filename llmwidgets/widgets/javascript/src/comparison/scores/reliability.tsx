// The doubt of values as it was said beside what was wrong: near the diagonal it can be believed.

import type { Doubt, DoubtBin } from "../answers";
import { Heading, Small, Status } from "../parts";
import { useView } from "../view";
import { counted } from "../words";
import { CHART, yScale } from "./geometry";

const MARKS = [0, 20, 40, 60, 80, 100];

export function Reliability() {
  const doubt = useView().need<Doubt>("doubt");
  return (
    <div class="body stack t lw-fields-all">
      <Heading
        title="Doubt of values"
        about={doubt?.bins.length ? "% of values that are wrong, with 95 % interval" : ""}
      />
      {doubt ? <Shown doubt={doubt} /> : <Status>Counting.</Status>}
    </div>
  );
}

const Shown = ({ doubt: { basis, figure, found, bins } }: { doubt: Doubt }) => (
  <>
    <Small>{[basis, figure].filter(Boolean).join(" ")}</Small>
    {bins.length > 0 && <Curve bins={bins} />}
    {found && <p>{found}</p>}
  </>
);

const y = yScale([0, 100]);
const x = (value: number) => CHART.left + ((CHART.right - CHART.left) * value) / 100;

/** A point for each tenth of the doubt, how many values it stands for, and the diagonal. */
function Curve({ bins }: { bins: DoubtBin[] }) {
  return (
    <svg
      class="lw-chart lw-curve"
      viewBox={`0 0 ${CHART.width} ${CHART.height + 18}`}
      width="100%"
      role="img"
      aria-label={`Doubt said against share wrong: ${bins.map((bin) => bin.words).join("; ")}`}
    >
      {MARKS.map((mark) => (
        <>
          <path class="ax" d={`M${CHART.left} ${y(mark)}H${CHART.right}`} />
          <text class="mu" x={CHART.left - 8} y={y(mark) + 4} text-anchor="end">
            {mark}
          </text>
          <text class="mu" x={x(mark)} y={CHART.bottom + 18} text-anchor="middle">
            {mark}
          </text>
        </>
      ))}
      <path class="zero" d={`M${x(0)} ${y(0)}L${x(100)} ${y(100)}`} />
      {bins.map((bin) => (
        <>
          <path
            class="iv"
            d={`M${x(bin.said)} ${y(bin.low)}V${y(bin.high)}M${x(bin.said) - 4} ${y(bin.low)}h8M${x(bin.said) - 4} ${y(bin.high)}h8`}
          />
          <circle class="pt" cx={x(bin.said)} cy={y(bin.wrong)} r={4}>
            <title>{bin.words}</title>
          </circle>
          <text
            class="mu"
            x={x(10 * Math.floor(bin.said / 10) + 5)}
            y={CHART.bottom + 36}
            text-anchor="middle"
          >
            {counted(bin.values)}
          </text>
        </>
      ))}
      <text
        class="mu"
        x={(CHART.left + CHART.right) / 2}
        y={CHART.bottom + 56}
        text-anchor="middle"
      >
        doubt, %, and under it the number of values
      </text>
    </svg>
  );
}
