// A table of a few rows.

import type { ComponentChildren } from "preact";

type Words = ComponentChildren;

interface Column {
  text: string;
  right?: boolean;
}
interface Row {
  key: string;
  off?: boolean;
  cells: Words[];
  /** Of how many rows the last cell is; those below it have none. */
  span?: number;
}

/** The first cell of a row heads it. */
export function Table({
  head,
  rows,
  caption,
  class: look = "flush",
}: {
  head: readonly Column[];
  rows: readonly Row[];
  caption?: string;
  class?: string;
}) {
  const right = (n: number) => (head[n]?.right ? "r" : undefined);
  return (
    <table class={look}>
      {caption && <caption>{caption}</caption>}
      <thead>
        <tr>
          {head.map((each, n) => (
            <th key={n} scope="col" class={right(n)}>
              {each.text}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.key} class={row.off ? "off" : undefined}>
            {row.cells.map((cell, n) =>
              n ? (
                <td key={n} class={right(n)} rowSpan={n === head.length - 1 ? row.span : undefined}>
                  {cell}
                </td>
              ) : (
                <th key={n} scope="row" class={right(n)}>
                  {cell}
                </th>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
