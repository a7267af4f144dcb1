// How narrow a part is drawn so that its tables need no scrolling.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Words } from "../parts";

interface Props {
  /** The level that is drawn where none fits. */
  most: number;
  /** What the tables are drawn from. */
  of: unknown[];
  /** The part at a level: 0 is the widest. */
  children: (level: number) => Words;
}

/** A part at the first level at which its tables fit, which is measured: names, figures and fonts
    differ. The mark before it has a width alone, which no level changes. */
export function Fit({ most, of, children }: Props) {
  const mark = useRef<HTMLDivElement>(null);
  const needs = useMemo<number[]>(() => [], of);
  const [{ width }, draw] = useState({ width: 0 });
  const fits = (level: number) => !(needs[level]! > width);
  let level = 0;
  while (level < most && !fits(level)) level += 1;
  useLayoutEffect(() => {
    const { clientWidth: here, nextElementSibling: part } = mark.current!;
    const over = fits(level) && overhang(part!);
    if (!over) return;
    needs[level] = here + over;
    draw({ width: here });
  });
  useLayoutEffect(() => {
    // Behind the frame: what is drawn anew within it would be observed a second time.
    const watch = new ResizeObserver(([entry]) =>
      requestAnimationFrame(() => draw({ width: entry!.target.clientWidth })),
    );
    watch.observe(mark.current!);
    return () => watch.disconnect();
  }, []);
  return (
    <>
      <div ref={mark} />
      {children(level)}
    </>
  );
}

/** By how much the widest of a part's tables is too wide for its place. */
function overhang(part: Element): number {
  const boxes = part.matches(".lw-scroll") ? [part] : [...part.querySelectorAll(".lw-scroll")];
  return Math.max(0, ...boxes.map((each) => each.scrollWidth - each.clientWidth));
}
