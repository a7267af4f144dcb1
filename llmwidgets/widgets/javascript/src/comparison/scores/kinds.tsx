// Kinds of error: how many of each for every model, or in every field; a count opens its rows.

import { Select } from "../../panel/controls";
import { Icon, TextButton } from "../../panel/parts";
import type { KindRows, Kinds } from "../answers";
import { Aside, Grow, Heading, Letter, Scroll, Small, Spoken, Waiting } from "../parts";
import type { Variant } from "../state";
import { useKept, useView, type View } from "../view";
import { counted, isolate } from "../words";
import { useArrows } from "./measures";

/** What is open: all fields, or one; -1 is all models. */
interface Open {
  kind: string;
  field: string | null;
  column: number;
  most: number;
}

const AT_ONCE = 20;
const ALL = -1;
const EACH_KIND = "kinds";
const CLOSED: Open = { kind: "", field: null, column: ALL, most: AT_ONCE };

const sum = (counts: number[]) => counts.reduce((total, each) => total + each, 0);
const of = (counts: number[], column: number) => (column === ALL ? sum(counts) : counts[column]!);

export function ErrorKinds() {
  const { state } = useView();
  if (state.screen !== "results" || state.result.live) return null;
  return <KindsPart variants={state.result.variants} />;
}

function KindsPart({ variants }: { variants: Variant[] }) {
  const view = useView();
  const kinds = view.need<Kinds>("kinds");
  const [by, setBy] = useKept("kinds-by", EACH_KIND);
  const [, setOpen] = useKept<Open>("kinds-open", CLOSED);
  if (!kinds) return <Waiting>Counting kinds of error.</Waiting>;
  const whose = variants.map(
    ({ letter, label }, at) => [String(at), `${letter} ${label}`] as const,
  );
  return (
    <section class="lw-kinds" aria-label="Kinds of error">
      <div class="lw-kinds-head">
        <Heading title="Kinds of error" about={kinds.said} />
      </div>
      {kinds.kinds.length > 0 && (
        <Scroll>
          {by === EACH_KIND ? (
            <ByKind kinds={kinds} variants={variants} />
          ) : (
            <ByField kinds={kinds} variants={variants} column={Number(by)} />
          )}
        </Scroll>
      )}
      <div class="row wrap lw-kinds-foot">
        <Aside>{kinds.kinds.length ? kinds.foot : `No value is wrong. ${kinds.foot}`}</Aside>
        <Grow />
        {kinds.kinds.length > 0 && (
          <Select
            class="in s lw-by"
            aria-label="Kinds of error by"
            data-focus="kinds-by"
            value={by}
            options={[
              [EACH_KIND, "By model"],
              [String(ALL), "By field, all models"],
              ...(variants.length > 1
                ? whose.map(([at, words]) => [at, `By field, ${words}`] as const)
                : []),
            ]}
            onPick={(name) => {
              setOpen(CLOSED);
              setBy(name);
            }}
          />
        )}
      </div>
    </section>
  );
}

interface TableProps {
  kinds: Kinds;
  variants: Variant[];
}

/** Of more models the letters alone are at the heads of the columns. */
const MOST_NAMED = 5;

function ByKind({ kinds: { kinds, of: whole }, variants }: TableProps) {
  const several = variants.length > 1;
  const columns = several ? [...variants.keys(), ALL] : [0];
  const totals = variants.map((_, at) => sum(kinds.map(({ counts }) => counts[at]!)));
  return (
    <table
      {...useArrows()}
      class={variants.length > MOST_NAMED ? "lw-errs many" : "lw-errs"}
      role="grid"
      aria-label="Kinds of error by model"
    >
      <thead>
        <tr>
          <th scope="col">Kind</th>
          <th scope="col" class="narrow-hide">
            What happened
          </th>
          {columns.map((at) => (
            <th scope="col" class="r n">
              {at === ALL ? "All" : <Head {...variants[at]!} />}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {kinds.map(({ name, happened, advice, counts }) => (
          <>
            <tr key={name}>
              <Kind name={name} title={`${happened}. ${advice}`} />
              <td class="muted narrow-hide" title={advice}>
                {happened}
              </td>
              {columns.map((column) => (
                <Count
                  count={of(counts, column)}
                  open={{ ...CLOSED, kind: name, column }}
                  spoken={`${name}, ${whoseWords(variants, column)}`}
                />
              ))}
            </tr>
            <Behind kind={name} field={null} variants={variants} span={columns.length + 2} />
          </>
        ))}
        <tr class="sum">
          <th scope="row" class="nw">
            <b>all kinds</b>
          </th>
          <td class="muted narrow-hide">{whole}</td>
          {columns.map((column) => (
            <td class="r n">
              <b>{counted(of(totals, column))}</b>
            </td>
          ))}
        </tr>
      </tbody>
    </table>
  );
}

function ByField({ kinds: { kinds, fields }, variants, column }: TableProps & { column: number }) {
  const rows = fields.filter(({ counts }) => sum(counts.map((each) => of(each, column))) > 0);
  return (
    <table
      {...useArrows()}
      class="lw-errs lw-errs-fields"
      role="grid"
      aria-label={`Kinds of error by field, ${whoseWords(variants, column)}`}
    >
      <thead>
        <tr>
          <th scope="col">Field</th>
          {kinds.map(({ name, happened }) => (
            <th scope="col" class="r" title={happened}>
              {name}
            </th>
          ))}
          <th scope="col" class="r">
            All
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ path, name, counts }) => (
          <>
            <tr key={path}>
              <th scope="row" class="m" title={path}>
                {name}
              </th>
              {kinds.map((kind, n) => (
                <Count
                  count={of(counts[n]!, column)}
                  open={{ ...CLOSED, kind: kind.name, field: path, column }}
                  spoken={`${name}, ${kind.name}, ${whoseWords(variants, column)}`}
                />
              ))}
              <td class="r">
                <b>{counted(sum(counts.map((each) => of(each, column))))}</b>
              </td>
            </tr>
            <Behind kind="" field={path} variants={variants} span={kinds.length + 2} />
          </>
        ))}
      </tbody>
    </table>
  );
}

const Head = ({ letter, label }: Variant) => (
  <span class="row lw-errs-name">
    <Letter>{letter}</Letter>
    <span class="m narrow-hide" title={label}>
      {label}
    </span>
    <Spoken>{label}</Spoken>
  </span>
);

const whoseWords = (variants: Variant[], column: number) =>
  column === ALL ? "all models" : variants[column]!.label;

function Kind({ name, title }: { name: string; title: string }) {
  const [open] = useKept<Open>("kinds-open", CLOSED);
  const here = open.kind === name;
  return (
    <th scope="row" class={here ? "nw b" : "nw"} title={title}>
      <Icon name={here ? "down" : "right"} />
      {name}
    </th>
  );
}

/** A count that opens its wrong values; none is only a number. */
function Count({ count, open, spoken }: { count: number; open: Open; spoken: string }) {
  const [now, setOpen] = useKept<Open>("kinds-open", CLOSED);
  if (!count) return <td class="r n muted">0</td>;
  const here = now.kind === open.kind && now.field === open.field && now.column === open.column;
  return (
    <td class={here ? "r n on" : "r n"}>
      <button
        type="button"
        class="aslink"
        data-focus={`kinds-${open.kind}-${open.field ?? ""}-${open.column}`}
        aria-expanded={here}
        aria-label={`${spoken}: ${count}. Show them`}
        onClick={() => setOpen(here ? CLOSED : open)}
        onKeyDown={(e) => here && closes(e) && setOpen(CLOSED)}
      >
        {counted(count)}
      </button>
    </td>
  );
}

/** Escape closes what is open, and is not heard by the notebook. */
function closes(e: KeyboardEvent): boolean {
  if (e.key !== "Escape") return false;
  e.preventDefault();
  return true;
}

interface BehindProps {
  kind: string;
  field: string | null;
  variants: Variant[];
  span: number;
}

/** The wrong values behind the count that is open, if it is one of this row. */
function Behind({ kind, field, variants, span }: BehindProps) {
  const view = useView();
  const [open, setOpen] = useKept<Open>("kinds-open", CLOSED);
  if (!open.kind || (field === null ? open.kind !== kind : open.field !== field)) return null;
  const close = () => {
    setOpen(CLOSED);
    view.show(view.tab, {}, `kinds-${open.kind}-${open.field ?? ""}-${open.column}`);
  };
  return (
    <tr class="lw-behind">
      <td colSpan={span} onKeyDown={(e) => closes(e) && close()}>
        <Errors open={open} setOpen={setOpen} variants={variants} />
      </td>
    </tr>
  );
}

interface ErrorsProps {
  open: Open;
  setOpen: (open: Open) => void;
  variants: Variant[];
}

function Errors({ open, setOpen, variants }: ErrorsProps) {
  const view = useView();
  const { kind, field, column, most } = open;
  const asked = ({ kind: of, column: whose, field: where }: KindRows) =>
    of === kind && whose === column && where === (field ?? "");
  const answer = view.need<KindRows>(
    "kind_rows",
    { kind, column, most, ...(field !== null && { field }) },
    (each) => asked(each) && each.rows.length >= Math.min(most, each.total),
  );
  if (!answer || !asked(answer)) return <Small>Reading the values.</Small>;
  const { rows, total } = answer;
  const more = total - rows.length;
  const whose = column === ALL && variants.length > 1;
  return (
    <>
      <table class="flush lw-errs-rows">
        <thead>
          <tr>
            <th scope="col">Text</th>
            <th scope="col">Field</th>
            {whose && <th scope="col">Model</th>}
            <th scope="col">Truth</th>
            <th scope="col">Value</th>
            <th scope="col" class="narrow-hide">
              In the text
            </th>
            <th scope="col">
              <Spoken>Way on</Spoken>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              <td class="m">
                <bdi>{row.id}</bdi>
              </td>
              <td class="m">
                <bdi>{row.name}</bdi>
              </td>
              {whose && (
                <td>
                  <Head {...variants[row.column]!} />
                </td>
              )}
              <td dir="auto">{row.truth}</td>
              <td class="b" dir="auto">
                {row.value}
              </td>
              <td class="narrow-hide">
                <Passage row={row} />
              </td>
              <td class="r nw">
                <TextButton
                  aria-label={`Open the row: ${isolate(row.id)}, ${isolate(row.name)}`}
                  onClick={() => openRow(view, row)}
                >
                  Open the row
                </TextButton>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && (
        <TextButton onClick={() => setOpen({ ...open, most: rows.length + AT_ONCE })}>
          {counted(more)} more
        </TextButton>
      )}
    </>
  );
}

function Passage({ row: { quote, absent } }: { row: KindRows["rows"][number] }) {
  return (
    <>
      {quote && (
        <span class="lw-passage" dir="auto">
          {quote.before}
          <mark>{quote.mark}</mark>
          {quote.after}
        </span>
      )}
      {absent && <span class="muted lw-below">{absent}</span>}
    </>
  );
}

/** The grid on this one text, the cursor on the wrong value. */
function openRow(view: View, row: KindRows["rows"][number]): void {
  const query = `"${row.text}"`;
  view.column = row.column;
  view.aim = { id: row.id, path: row.path };
  view.show("differences", {}, "grid");
  view.narrow({ only: "all", states: [], field: "", query });
  view.set("find-values", query);
}
