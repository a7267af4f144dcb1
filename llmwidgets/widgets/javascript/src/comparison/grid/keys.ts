// The keyboard map: which key does what, as data.

export interface Key {
  key: string;
  ctrlKey?: boolean;
  metaKey?: boolean;
  altKey?: boolean;
}

export type GridAct =
  | ["step" | "page" | "column" | "take", number]
  | ["home" | "end" | "top" | "bottom" | "enter" | "undo" | "type" | "none"];

const GRID: Record<string, GridAct> = {
  ArrowDown: ["step", 1],
  ArrowUp: ["step", -1],
  ArrowRight: ["column", 1],
  ArrowLeft: ["column", -1],
  PageDown: ["page", 1],
  PageUp: ["page", -1],
  Home: ["home"],
  End: ["end"],
  Enter: ["enter"],
  " ": ["enter"],
};
const LABEL: Record<string, GridAct> = { t: ["type"], 0: ["none"] };

/** What a key does in the grid of differences; 1 to 9 take the value of that column as truth. */
export function gridAct(e: Key, variants: number): GridAct | undefined {
  if (e.altKey) return undefined;
  const key = e.key.toLowerCase();
  if (e.ctrlKey || e.metaKey) {
    if (key === "z") return ["undo"];
    if (e.metaKey) return undefined;
    if (e.key === "Home") return ["top"];
    return e.key === "End" ? ["bottom"] : GRID[e.key];
  }
  if (/^[1-9]$/.test(key) && Number(key) <= variants) return ["take", Number(key) - 1];
  return GRID[e.key] || LABEL[key];
}
