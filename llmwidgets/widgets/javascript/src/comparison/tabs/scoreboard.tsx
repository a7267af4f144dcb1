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
import { Fit } from "../scores/fit";
import { ErrorKinds } from "../scores/kinds";
import { HardestFields } from "../scores/measures";
import { Line, Pairs, Shared } from "../scores/pairs";
import { SliceHead, SliceTable } from "../scores/slices";
import { useKept, useView } from "../view";
import { trimmed } from "../words";

const LEADING = ["Precision", "Recall", "F1"];
/** From more models on, the table of fields needs the whole width. */
const SIDE_BY_SIDE = 5;
/** Where the table has no room: what decides nothing is folded; then nothing is drawn. */
const TIGHT = 1;
const TIGHTER = 2;

export default function Scoreboard() {
  const view = useView();
  const scores = useScores();
  const grounded = view.need<Grounding>("grounding");
  const [wide] = useKept("wide", false);
  if (!scores) return <Waiting>Counting.</Waiting>;
  const { fields, order, scored, foretold, more } = scores;
  const pairs = scores.pairs.length > 0 || scores.shared.length > 0;
  return (
    <>
      <Verdict scores={scores} />
      <Fit most={wide ? TIGHT : TIGHTER} of={[scores, grounded, wide]}>
        {(level) => {
          const columns = columnsOf(scores, grounded?.any ? grounded : null, level);
          const shown = wide ? columns : columns.filter(({ folds }) => !folds);
          const folded = scored && (level > 0 || leads(scores));
          return (
            <>
              <Scroll>
                <Table scores={scores} columns={folded ? shown : columns} level={level} />
              </Scroll>
              {folded && <MoreColumns columns={columns} />}
            </>
          );
        }}
      </Fit>
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
        <Fit most={1} of={[scores]}>
          {(level) => (
            <div
              class={`cols lw-halves${level || order.length > SIDE_BY_SIDE ? " lw-stacked" : ""}`}
            >
              {pairs && (scored ? <Pairs scores={scores} /> : <Shared scores={scores} />)}
              {fields.rows.length > 0 && <HardestFields scores={scores} />}
            </div>
          )}
        </Fit>
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

/** Where the table has no room, or leads with three more figures, the columns that decide nothing
    stand behind a link, which names them. */
function MoreColumns({ columns }: { columns: Column[] }) {
  const [wide, setWide] = useKept("wide", false);
  const names = columns.flatMap(({ folds }) => folds ?? []);
  const said = [names.slice(0, -1).join(", "), `${names.at(-1)}: `].filter(Boolean).join(" and ");
  return (
    <p class="lw-more s muted">
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

function Table({ scores, columns, level }: { scores: Scores; columns: Column[]; level: number }) {
  return (
    <table class={`lw-scores ${["", "tight", "tight tighter"][level]}`}>
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

function columnsOf(scores: Scores, grounded: Grounding | null, level: number): Column[] {
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
    ...(scored ? scoredColumns(scores, leading ? level + 1 : level) : []),
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
    (scored || level < TIGHT) &&
      someRow(scores, ({ tokens }) => tokens.some((each) => each !== "unknown")) && {
        head: "Tokens in / out",
        look: "r",
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
  return found.filter((each) => each !== false);
}

/** The share and how it came about; the less place there is, the less is drawn of its interval. */
function scoredColumns(scores: Scores, level: number): Column[] {
  const found: (Column | false)[] = [
    {
      head: "% right",
      look: "r nw",
      cell: ({ right, range }) => [
        <Big>{right}</Big>,
        level === TIGHTER && range && (
          <Under>
            <Spoken>95 % interval </Spoken>
            {range}
          </Under>
        ),
      ],
    },
    level < TIGHTER && {
      head: [<Ticks scale={scores.scale} />, <Spoken>95 % interval</Spoken>],
      look: "lw-ci",
      cell: ({ interval, range }) => [
        interval && (
          <Line {...{ interval, scale: scores.scale, width: 112, pad: 4, band: scores.band }} />
        ),
        <span class="muted nw lw-range">{range}</span>,
      ],
    },
    level < TIGHTER && {
      head: "of the replies that came",
      look: "r lw-thin",
      cells: "r",
      cell: ({ words }) => words.came || "–",
    },
    { head: "Replies lost", look: "", cells: "lw-loses", cell: losesCell },
  ];
  return found.filter((each) => each !== false);
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
