// The lines of the grid: a text's head, the cells of a row, the fold, the detail below a cell.

import type { VNode } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { focused } from "../../panel/page";
import { getPart } from "../../panel/panel";
import { Icon, TextButton } from "../../panel/parts";
import type { Block, Repeats, Row } from "../state";
import { changed, FLAGS, GLYPHS, isolate, READING, SPOKEN, stateClass } from "../words";
import type { Grid } from "./grid";
import type { Line } from "./layout";
import { DoubtLine, TextName } from "./order";

type ViewsPart = typeof import("../../comparison_panel.views");

interface OfText {
  grid: Grid;
  n: number;
}

interface OfRow extends OfText {
  line: Line;
  row: Row;
}

interface OfCell extends OfRow {
  block: Block;
  col: number;
}

/** All texts that are drawn; one that was drawn already stays as it is. */
export function Texts({ grid, shown }: { grid: Grid; shown: [n: number, lines: VNode][] }) {
  const { tops } = grid.layout;
  return (
    <>
      {shown.map(([n, lines]) => (
        <div
          key={`${grid.answer!.layout} ${n}`}
          class="lw-block"
          role="rowgroup"
          data-block={n}
          style={`top:${tops[n]}px;height:${tops[n + 1]! - tops[n]!}px`}
        >
          {lines}
        </div>
      ))}
    </>
  );
}

/** One text. */
export function Lines({ grid, n, lines }: OfText & { lines: Line[] }) {
  const { open, blocks } = grid.layout;
  const block = blocks.get(n);
  const part = getPart<ViewsPart | undefined>("views");
  const below = block && open?.block === n && lines.find(({ row }) => row?.p === open.path);
  return (
    <>
      {lines.map((line) => {
        const style = `top:${line.top}px`;
        if (!block) return <Unread style={style} />;
        if (line.kind === "group") return <Head {...{ grid, n, block, style }} />;
        if (line.kind === "fold") return <FoldLine {...{ grid, n, block, line, style }} />;
        const row = line.row!;
        const height = grid.layout.fits(row) ? `;height:${line.height}px` : "";
        return (
          <div key={row.p} class="lw-grow" role="row" data-line={line.at} style={style + height}>
            <span
              class="lw-cell lw-f m"
              role="rowheader"
              title={row.p}
              {...place(grid, n, line.at, 0)}
            >
              <span class="lw-name" dir="auto">
                {row.name}
              </span>
              {row.d && <TextName doubted={row.d} />}
            </span>
            {grid.truth > 0 && <TruthCell {...{ grid, n, line, row }} />}
            {grid.variants.map((_, col) => variantCell({ grid, n, line, row, block, col }))}
          </div>
        );
      })}
      {below && (
        <div
          key={`detail ${open!.path} ${open!.col}`}
          ref={grid.opened.watch}
          class="lw-detail"
          role="row"
          style={`top:${below.top + below.height}px;width:${grid.sight}px`}
        >
          <div role="gridcell" aria-label="Detail">
            {part ? (
              <part.DetailView grid={grid} row={below.row!} content={open!.content} />
            ) : (
              <p class="muted">{READING}</p>
            )}
          </div>
        </div>
      )}
    </>
  );
}

const place = (grid: Grid, n: number, line: number, col: number) => ({
  id: grid.cellId(n, line, col),
  "data-at": `${n} ${line} ${col}`,
});

const Unread = ({ style }: { style: string }) => (
  <div class="lw-grow lw-group" role="row" style={style}>
    <span class="lw-wide muted" role="gridcell" aria-label="not read yet">
      …
    </span>
  </div>
);

const Head = ({ grid, n, block, style }: OfText & { block: Block; style: string }) => (
  <div class="lw-grow lw-group" role="row" style={style}>
    <div
      class="lw-wide row"
      role="gridcell"
      {...place(grid, n, 0, 0)}
      aria-label={`Text ${isolate(block.id)}, ${block.said}. Enter reads the text.`}
    >
      <bdi class="m b">{block.id}</bdi>
      <span class="lw-title" dir="auto">
        {block.title}
      </span>
      <span class="grow" />
      <span class="muted nw narrow-hide">{block.said}</span>
      <TextButton tabIndex={-1} class="nw" onClick={() => grid.read(n)}>
        Read the text
      </TextButton>
    </div>
  </div>
);

function FoldLine({
  grid,
  n,
  block,
  line,
  style,
}: OfText & { block: Block; line: Line; style: string }) {
  const open = grid.layout.unfolded.has(n);
  return (
    <div class="lw-grow lw-fold" role="row" style={style}>
      <div
        class="lw-wide row muted"
        role="gridcell"
        {...place(grid, n, line.at, 0)}
        aria-expanded={open}
      >
        <Icon name={open ? "down" : "right"} />
        <span>{block.fold}</span>
      </div>
    </div>
  );
}

function TruthCell({ grid, n, line, row }: OfRow) {
  const [text, kind, source, was] = row.t;
  const made = source && (was ? `changed, was ${isolate(was)}; ${source}` : source);
  const look = kind === "value" ? "" : row.d && kind === "blank" ? " muted" : " none";
  const typing = grid.typing?.block === n && grid.typing.row.p === row.p;
  return (
    <span
      class={`lw-cell lw-t${look}`}
      role="gridcell"
      title={made ? `${isolate(text)} (${made})` : text}
      aria-label={`truth of ${isolate(row.name)}: ${isolate(text)}${made ? `, ${made}` : ""}`}
      {...place(grid, n, line.at, 1)}
    >
      {made && !was && !row.d && (
        <span class="lw-made" aria-hidden="true">
          new
        </span>
      )}
      <span class="lw-v" dir="auto">
        {text}
      </span>
      {was && (
        <small>
          <b>changed</b>, was <bdi>{was}</bdi>
        </small>
      )}
      {row.d?.set && <small>{row.d.set}</small>}
      {typing && <Typing grid={grid} name={row.name} />}
    </span>
  );
}

function Typing({ grid, name }: { grid: Grid; name: string }) {
  const ref = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const input = ref.current!;
    input.value = grid.typing!.was;
    input.focus();
    input.select();
  }, []);
  return (
    <input
      ref={ref}
      class="lw-typing"
      type="text"
      dir="auto"
      aria-label={`Truth of ${name}`}
      onKeyDown={(e) => {
        e.stopPropagation();
        if (e.key !== "Enter" && e.key !== "Escape") return;
        e.preventDefault();
        grid.endTyping(e.key === "Enter" ? e.currentTarget.value : null);
      }}
      // Rows that arrive meanwhile leave the cell alone; who looks into another window comes back.
      onBlur={(e) => e.currentTarget !== focused(e.currentTarget) && grid.endTyping(null)}
    />
  );
}

function variantCell({ grid, n, block, line, row, col }: OfCell): VNode {
  const at = place(grid, n, line.at, 1 + grid.truth + col);
  const { label } = grid.variants[col]!;
  const failed = block.failed?.[col];
  if (failed) {
    if (line.at !== 1) return <span class="lw-cell lw-under" role="presentation" />;
    const lines = grid.layout.lines(n).filter((each) => each.row && !each.row.q);
    const last = lines.at(-1)!;
    return (
      <span
        class="lw-cell lw-c failed"
        role="gridcell"
        aria-rowspan={lines.length}
        style={`grid-column:${1 + grid.truth + col + 1}${grid.layout.fits(row) ? `;height:${last.top + last.height - line.top}px` : ""}`}
        aria-label={`${label}: failed, ${failed.name}. ${failed.said}`}
        title={failed.said}
        {...at}
      >
        <span class="lw-v">
          <b>{failed.name}</b>
          <span>{failed.said}</span>
          {failed.again && (
            <TextButton tabIndex={-1} send="run.resume">
              Ask again
            </TextButton>
          )}
        </span>
      </span>
    );
  }
  const [state, text, flag, repeats] = row.c[col]!;
  const [meant, kind] = row.t;
  const parts = state === "differ" && kind === "value" ? changed(meant, text) : null;
  const none = text === "none" || text === "no value" ? " none" : "";
  const truth = grid.truth && kind !== "blank" ? `, truth ${isolate(meant)}` : "";
  const doubt = row.d?.doubts[col];
  const where = isolate(row.name) + (row.d ? ` of ${isolate(row.d.text)}` : "");
  return (
    <span
      class={`lw-cell lw-c ${stateClass(state)}${none}`}
      role="gridcell"
      title={text}
      aria-label={`${where}, ${isolate(label)}: ${isolate(text)}, ${SPOKEN[state]}${flag ? `, ${FLAGS[flag]}` : ""}${repeats ? often(repeats) : ""}${doubt ? `, ${doubt} % doubt` : ""}${truth}`}
      {...at}
    >
      <span class="lw-v" dir="auto">
        {parts ? [parts[0], <ins>{parts[1]}</ins>, parts[2]] : text}
      </span>
      {flag > 0 && <span class="lw-nit">{FLAGS[flag]}</span>}
      {doubt && <DoubtLine doubt={doubt} of={repeats?.of} />}
      {repeats && !doubt && (
        <span class="lw-often">
          <span>{repeats.of}</span>
          {repeats.others.map((other) => (
            <span key={other} class={`g ${stateClass(other)}`} title={`some: ${SPOKEN[other]}`}>
              {GLYPHS[other]}
            </span>
          ))}
          {repeats.failed && <span class="tone-fail">{repeats.failed}</span>}
        </span>
      )}
    </span>
  );
}

/** What a cell says of its repeats, read out. */
function often({ of, others, failed }: Repeats): string {
  const other = others.length ? `, others: ${others.map((each) => SPOKEN[each]).join(", ")}` : "";
  return `, in ${of} repeats${other}${failed ? `, ${failed}` : ""}`;
}
