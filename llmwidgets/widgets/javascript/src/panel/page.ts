// What holds for the whole page: whose act it was, what is being drawn, what has the focus.

import { Acts } from "./protocol";

export const acts = new Acts();

/** `own`: a person's act led to what is drawn now; only then may the focus move. */
export const drawing = { now: false, own: false };

export function focused(node: Node): HTMLElement | null {
  return (node.getRootNode() as Document).activeElement as HTMLElement | null;
}

/** What has the focus inside the element, if anything has. */
export function focusIn(element: Element): HTMLElement | null {
  const there = focused(element);
  return element.contains(there) ? there : null;
}
