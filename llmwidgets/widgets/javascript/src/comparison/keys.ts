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

export type TextAct = ["field" | "text", number] | ["back"];

const TEXT: Record<string, TextAct> = {
  ArrowUp: ["field", -1],
  ArrowDown: ["field", 1],
  ArrowLeft: ["text", -1],
  ArrowRight: ["text", 1],
  Escape: ["back"],
};

/** What a key does where a text is read. */
export function textAct(e: Key): TextAct | undefined {
  return e.altKey || e.ctrlKey || e.metaKey ? undefined : TEXT[e.key];
}

const ARROWS: Record<string, [down: number, right: number]> = {
  ArrowDown: [1, 0],
  ArrowUp: [-1, 0],
  ArrowRight: [0, 1],
  ArrowLeft: [0, -1],
};

/** Where an arrow, Home or End leads in a table with gaps: undefined where the key does nothing
    there, null where it does and nothing lies that way. */
export function tableTarget<T>(lines: (T | null)[][], from: T, e: Key): T | null | undefined {
  const row = lines.findIndex((line) => line.includes(from));
  if (row < 0 || e.altKey || e.metaKey) return undefined;
  if (e.key === "Home") return lines[e.ctrlKey ? 0 : row]!.find(Boolean);
  if (e.key === "End") return lines.at(e.ctrlKey ? -1 : row)!.findLast(Boolean);
  const arrow = ARROWS[e.key];
  if (!arrow) return undefined;
  const [down, right] = arrow;
  let [y, x] = [row + down, lines[row]!.indexOf(from) + right];
  for (; lines[y] && x >= 0 && x < lines[y]!.length; y += down, x += right) {
    if (lines[y]![x]) return lines[y]![x];
  }
  return null;
}
