// The scoreboard: the verdict first, then shares with their intervals, pairs, fields.

import { useEffect, useRef } from "preact/hooks";
import { Button, Icon, plural, TextButton } from "../../panel/parts";
import type { Grounding, Range, ScoreRow, Scores } from "../answers";
import {
  Matters,
  Muted,
  Row,
  Scroll,
  Small,
  Spoken,
  Status,
  VariantName,
  Waiting,
  type Words,
} from "../parts";
import { ErrorKinds } from "../scores/kinds";
import { HardestFields } from "../scores/measures";
import { Line, Pairs, Shared } from "../scores/pairs";
import { SliceHead, SliceTable } from "../scores/slices";
import { useKept, useView } from "../view";
import { trimmed } from "../words";

const LEADING = ["Precision", "Recall", "F1"];
/** From more models on, the table of fields needs the whole width. */
const SIDE_BY_SIDE = 5;

export default function Scoreboard() {
  const view = useView();
  const scores = useScores();
  const grounded = view.need<Grounding>("grounding");
  const [wide] = useKept("wide", false);
  if (!scores) return <Waiting>Counting.</Waiting>;
  const columns = columnsOf(scores, grounded?.any ? grounded : null, wide);
  const { fields, order, scored, foretold, more } = scores;
  const pairs = scores.pairs.length > 0 || scores.shared.length > 0;
  return (
    <>
      <Verdict scores={scores} />
      <Scroll>
        <Table scores={scores} columns={columns} />
      </Scroll>
      {scored && <MoreColumns scores={scores} columns={columns} />}
      <footer class="lw-foot">
        {foretold && foretold !== more && scores.outcome === "not_enough_texts" && (
          <div class="note s">
            <Icon name="warn" tone="warn" />
            <p>
              <b>The panel said so before the run. </b>
              <Muted>“{foretold}”</Muted>
            </p>
          </div>
        )}
        <Small>
          {scores.band && (
            <span class={leads(scores) ? "narrow-hide" : undefined}>
              <Margin scores={scores} />.{" "}
            </span>
          )}
          {[...scores.foot, grounded?.said].filter(Boolean).join(" ")}
        </Small>
        {scores.beside.map((each) => (
          <Small>{each}</Small>
        ))}
      </footer>
      {scores.slices && <SliceTable scores={scores} slices={scores.slices} />}
      {scored && <ErrorKinds />}
      {(pairs || fields.rows.length > 0) && (
        <div class={`cols lw-halves${order.length > SIDE_BY_SIDE ? " lw-stacked" : ""}`}>
          {pairs && (scored ? <Pairs scores={scores} /> : <Shared scores={scores} />)}
          {fields.rows.length > 0 && <HardestFields scores={scores} />}
        </div>
      )}
    </>
  );
}

/** The tabs that draw the scores. */
const SCORED = ["scoreboard", "charts"];

/** The scores; where they are still refined, until the tab is left. */
export function useScores(): Scores | null {
  const view = useView();
  const scores = view.need<Scores>("scores");
  const refined = useRef(false);
  refined.current = !scores || !!scores.progress;
  useEffect(
    () => () => {
      if (!refined.current || SCORED.includes(view.tab)) return;
      view.forget("scores");
      view.send("scores.leave");
    },
    [view],
  );
  return scores;
}

/** What the band behind the intervals means. */
export function Margin({ scores: { band, matters, best } }: { scores: Scores }) {
  return (
    <>
      <span class="lw-key" aria-hidden="true" />
      {` within ${matters || trimmed(band![1] - band![0])} of ${best}`}
    </>
  );
}

const someRow = ({ groups }: Scores, has: (row: ScoreRow) => unknown) =>
  groups.some(({ rows }) => rows.some(has));
const leads = (scores: Scores) => someRow(scores, ({ leading }) => leading.length);
const lists = (scores: Scores) => someRow(scores, ({ words }) => words.rows);

/** Where the page is narrow, or the table leads with three more figures, the columns that decide
    nothing stand behind a link, which names them. */
function MoreColumns({ scores, columns }: { scores: Scores; columns: Column[] }) {
  const [wide, setWide] = useKept("wide", false);
  const names = columns.flatMap(({ folds }) => folds ?? []);
  const said = [names.slice(0, -1).join(", "), `${names.at(-1)}: `].filter(Boolean).join(" and ");
  return (
    <p class={`${leads(scores) ? "" : "lw-only "}lw-more s muted`}>
      {said[0]!.toUpperCase()}
      {said.slice(1)}
      <TextButton aria-expanded={wide} onClick={() => setWide(!wide)}>
        {wide ? "Hide" : "Show"} {names.length} {wide ? "" : "more "}
        {plural(names.length, "column")}
      </TextButton>
    </p>
  );
}

// ---- the verdict ---------------------------------------------------------------------------------

/** A sign for each outcome: the shape is enough without colour. */
const OUTCOMES: Record<string, [tone: string, sign: string]> = {
  better: ["ok", ">"],
  as_good_and_cheaper: ["ok", "≈"],
  not_enough_texts: ["warn", "?"],
};

function Verdict({ scores }: { scores: Scores }) {
  const { outcome, headline, details, matters, more, progress } = scores;
  const [tone, sign] = OUTCOMES[outcome] ?? [];
  const open = outcome === "not_enough_texts";
  const way = open && WayOn(scores);
  return (
    <div class={`body lw-outcome${open ? " open" : sign ? " settled" : ""}`}>
      {sign && (
        <span class={`lw-sign tone-${tone}`} aria-hidden="true">
          {sign}
        </span>
      )}
      <div class="stack t">
        <div class="stack x">
          <p class="lw-verdict">{headline}</p>
          {progress && <progress value={progress[0]} max={progress[1]} aria-label="Texts read" />}
          {details && <p class="muted lw-details">{details}</p>}
        </div>
        {way && (
          <Row>
            {way}
            <Status>{more}</Status>
          </Row>
        )}
        <div class="row wrap lw-matters">
          {matters && <Matters points={matters} />}
          {!way && more && <Status class="muted">{more}</Status>}
          <SliceHead scores={scores} />
        </div>
      </div>
    </div>
  );
}

/** What would settle it: to label texts that are there, else to come back with more. */
function WayOn({ unlabelled }: Scores) {
  const view = useView();
  const label = () => {
    view.show("differences", {}, "grid");
    view.narrow({ only: "unlabelled", states: [], field: "", query: "" });
  };
  const choose = () => {
    view.show("differences", {}, "grid");
    view.narrow({ sort: "review" });
  };
  if (unlabelled > 0) {
    return (
      <>
        <Button
          go
          title={`Shows the ${unlabelled} ${plural(unlabelled, "text")} without truth`}
          onClick={label}
        >
          Label more texts
        </Button>
        <Button title="Shows the values that are most likely wrong first" onClick={choose}>
          Choose which first
        </Button>
      </>
    );
  }
  const { state } = view;
  return (
    state.screen === "results" &&
    state.again === "Start over" && (
      <Button go title="Back to models, fields and texts" send="run.again">
        Add texts
      </Button>
    )
  );
}

// ---- the table -----------------------------------------------------------------------------------

interface Column {
  head: Words;
  /** The class of its head, and of its cells where that is another. */
  look: string;
  cells?: string | ((row: ScoreRow) => string);
  /** What the link that opens it calls it, if it stands behind one (`MoreColumns`). */
  folds?: string;
  title?: (row: ScoreRow) => string;
  cell: (row: ScoreRow) => Words;
}

function Table({ scores, columns }: { scores: Scores; columns: Column[] }) {
  return (
    <table class="lw-scores">
      <thead>
        <tr>
          <th scope="col">Model</th>
          {columns.map(({ head, look }) => (
            <th scope="col" class={look}>
              {typeof head === "string" ? whole(head) : head}
            </th>
          ))}
        </tr>
      </thead>
      {scores.groups.map(({ title, more, rows }) => (
        <tbody>
          {title && (
            <tr class="group">
              <th scope="rowgroup" colSpan={columns.length + 1}>
                <b>{title}</b>
                {more}
              </th>
            </tr>
          )}
          {rows.map((row) => (
            <tr key={row.letter} class={row.words.recommended ? "best" : undefined}>
              <th scope="row">
                <VariantName letter={row.letter} label={row.label} />
                {row.said && <span class="muted lw-said">{row.said}</span>}
                {row.words.recommended && (
                  <span class="lw-rec">
                    <Icon name="ok" />
                    recommended
                  </span>
                )}
              </th>
              {columns.map(({ look, cells = look, title: hover, cell }) => (
                <td class={typeof cells === "string" ? cells : cells(row)} title={hover?.(row)}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      ))}
    </table>
  );
}

function columnsOf(scores: Scores, grounded: Grounding | null, wide: boolean): Column[] {
  const { scored, worse } = scores;
  const leading = leads(scores);
  const paid = someRow(scores, (row) => row.paid);
  const found: (Column | false)[] = [
    ...LEADING.map(
      (name, n) =>
        leading && {
          head: `${name}, %`,
          look: "r lw-thin",
          cells: "r",
          cell: ({ leading: of }: ScoreRow) => <Big>{of[n] || "–"}</Big>,
        },
    ),
    ...(scored ? scoredColumns(scores, leading ? " narrow-hide" : "") : []),
    worse !== "" && { head: worse, look: "r lw-thin", cells: "r", cell: worseCell },
    lists(scores) && {
      head: "Rows of lists right",
      look: "r lw-thin",
      cells: "r",
      folds: "rows of lists",
      cell: ({ words: { rows, other_rows: other } }) => [
        <span class="nw">{rows || "–"}</span>,
        other && <Pieces words={other} />,
      ],
    },
    scores.agreed && {
      head: "% the same as the others",
      look: "r",
      cells: "r nw",
      cell: (row) => [<Big>{row.agree}</Big>, <Under>{row.agree_of}</Under>],
    },
    grounded !== null && {
      head: "% not in the text",
      look: "r lw-thin",
      cells: "r nw",
      folds: "what is not in the text",
      title: ({ letter }) => grounded.rows[letter]!.title,
      cell: ({ letter }) => groundedCell(grounded.rows[letter]!),
    },
    {
      head: "Valid",
      look: "r",
      folds: "valid replies",
      cell: ({ valid, words: { failed } }) => [
        <span class="nw">{valid}</span>,
        scored && failed && <Pieces words={failed} />,
      ],
    },
    !scored && {
      head: "Failures",
      look: "",
      cell: ({ failures }) => (failures ? [<Wrong />, failures] : <Muted>none</Muted>),
    },
    someRow(scores, ({ seconds, late }) => seconds !== "–" || late) && {
      head: "p50 / p95, s",
      look: "r nw",
      folds: "seconds",
      title: ({ waiting }) => waiting,
      cell: ({ seconds, waiting, late }) => [
        seconds,
        waiting && <Spoken>, {waiting}</Spoken>,
        late && <Under>{late}</Under>,
      ],
    },
    someRow(scores, ({ tokens }) => tokens.some((each) => each !== "unknown")) && {
      head: "Tokens in / out",
      look: scored ? "r" : "r narrow-hide",
      folds: "tokens",
      cell: ({ tokens: [read, written] }) =>
        read === "unknown" && written === "unknown" ? (
          <Muted>unknown</Muted>
        ) : (
          [<span class="nw">{read}</span>, <Under>/ {written}</Under>]
        ),
    },
    {
      head: paid ? "$ per 1,000 / paid now" : "$ per 1,000",
      look: "r lw-thin",
      cells: ({ cost }) => (cost === "unknown" ? "r muted" : "r nw"),
      cell: (row) => [row.cost, row.paid && <Under>/ {row.paid}</Under>],
    },
  ];
  const columns = found.filter((each) => each !== false);
  if (!scored || wide) return columns;
  const fold = leading ? " lw-folded" : " narrow-hide";
  return columns.map((each) => {
    const { look, cells = look, folds } = each;
    return folds ? { ...each, look: `${look}${fold}`, cells: `${cells}${fold}` } : each;
  });
}

function scoredColumns(scores: Scores, thin: string): Column[] {
  return [
    { head: "% right", look: "r nw", cell: ({ right }) => <Big>{right}</Big> },
    {
      head: [<Ticks scale={scores.scale} />, <Spoken>95 % interval</Spoken>],
      look: `lw-ci${thin}`,
      cell: ({ interval, range }) => [
        interval && (
          <Line {...{ interval, scale: scores.scale, width: 112, pad: 4, band: scores.band }} />
        ),
        <span class="muted nw lw-range">{range}</span>,
      ],
    },
    {
      head: "of the replies that came",
      look: `r lw-thin${thin}`,
      cells: `r${thin}`,
      cell: ({ words }) => words.came || "–",
    },
    { head: "Replies lost", look: "", cells: "lw-loses", cell: losesCell },
  ];
}

const Big = ({ children }: { children?: Words }) => <b class="lw-big">{children}</b>;
const Under = ({ children, loud }: { children?: Words; loud?: boolean }) => (
  <span class={`${loud ? "tone-inv" : "muted"} nw lw-under`}>{children}</span>
);
const Wrong = () => <b class="tone-fail">! </b>;
/** Small parts of a list in words, each on a line of its own. */
const Pieces = ({ words }: { words: string }) => (
  <>
    {words.split(", ").map((each) => (
      <Under>{each}</Under>
    ))}
  </>
);

const Ticks = ({ scale: [low, high] }: { scale: Range }) => (
  <span class="lw-ticks" aria-hidden="true">
    {[low, (low + high) / 2, high].map((each) => (
      <span>{each}</span>
    ))}
  </span>
);

function losesCell({ words: { loses, lost, unanswered } }: ScoreRow) {
  const [count, most] = loses.split(", ");
  return (
    <>
      {loses ? (
        <>
          <span class="nw">
            {!loses.startsWith("0 ") && <Wrong />}
            {count},
          </span>{" "}
          <span class="nw">{most}</span>
        </>
      ) : (
        <Muted>–</Muted>
      )}
      {lost && <span class="muted lw-below">{lost}</span>}
      {unanswered && (
        <span class="lw-below">
          <Wrong />
          {unanswered}
        </span>
      )}
    </>
  );
}

function worseCell({ words: { worse, bound, recommended } }: ScoreRow) {
  const plain = worse === "–" || worse === "unknown";
  return (
    <>
      <span class={plain ? "muted" : recommended ? "lw-strong" : undefined}>{worse}</span>
      {bound && <span class="muted lw-below nw">{bound}</span>}
    </>
  );
}

function groundedCell({ absent, title, copied, loud }: Grounding["rows"][string]) {
  return (
    <>
      {absent}
      <Spoken>, {title}</Spoken>
      {copied && <Under loud={loud}>{copied}</Under>}
    </>
  );
}

/** Words of a head that stay on one line. */
export function whole(words: string): string {
  return words.replace(
    /Worse than|the \w+ by,?|at most|95 % interval|of the|that came|of lists|% not in|the text|in \/ out|\$ per|\/ paid now/g,
    (part) => part.replaceAll(" ", "\u00a0"),
  );
}
