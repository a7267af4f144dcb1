// Fields by variants: what share is right, of how many; each cell leads to its rows in the grid.

const FIELDS_AT_ONCE = 8;

/** The hardest fields beside the scoreboard; the whole table stands under Charts. */
function drawByField(got, view) {
  const { rows, measures } = got.fields;
  return h("div", { class: "body stack t", key: "fields" },
    h("div", { class: "row" }, h("h3", {}, "By field"), h("span", { class: "s muted" }, `${measures[0][1]}, hardest first`)),
    fieldTable(got, view, rows.slice(0, FIELDS_AT_ONCE), { name: "by-field", measure: measures[0] }),
    textButton(rows.length > FIELDS_AT_ONCE ? `All ${rows.length} fields, precision and recall` : "More about each field",
      () => openTab(view, "charts", "fields-sort-name"), { key: "more-by-field" }));
}

/** Every field, by any measure, in any order. */
function drawFieldsByVariant(got, view) {
  const { rows, measures } = got.fields;
  if (!rows.length) return null;
  const ui = view.ui.fields = view.ui.fields || { by: "", down: false, measure: measures[0][0] };
  const measure = measures.find(([name]) => name === ui.measure) || measures[0];
  const sort = (by) => {
    Object.assign(ui, { by, down: ui.by === by ? !ui.down : false });
    view.redraw();
  };
  return h("div", { class: "body stack t lw-fields-all", key: "fields-by-variant" },
    h("div", { class: "row wrap" }, h("h3", {}, "Fields by model"),
      h("span", { class: "s muted" }, "Each cell opens its rows in the grid."), h("span", { class: "grow" }),
      measures.length > 1 && select(measures, measure[0], (value) => {
        ui.measure = value;
        view.redraw();
      }, "fields-measure", "Measure")),
    h("div", { class: "lw-scroll" }, fieldTable(got, view, sortedFields(rows, got.order, ui, measure[0]),
      { name: "fields", measure, sort, ui })));
}

/** Hardest first unless a column is chosen; what has no figure stands last. */
function sortedFields(rows, order, ui, measure) {
  if (!ui.by) return rows;
  const column = order.indexOf(ui.by);
  const figure = (row) => row.cells[column]?.[measure][0] ?? Infinity;
  const sorted = [...rows].sort((a, b) => (column < 0 ? a.name.localeCompare(b.name) : figure(a) - figure(b)));
  if (!ui.down) return sorted;
  const known = sorted.filter((row) => column < 0 || figure(row) !== Infinity).reverse();
  return [...known, ...sorted.filter((row) => !known.includes(row))];
}

/** A grid of buttons: one tab stop, arrows move, Enter opens the rows of the grid. */
function fieldTable(got, view, rows, { name, measure, sort, ui }) {
  const [key, words] = measure;
  const names = Object.fromEntries(view.state.result.variants.map((each) => [each.letter, each.label]));
  const head = (by, label, spoken) => h("th", { scope: "col", class: by === "name" ? "" : "r", role: sort && "columnheader",
    "aria-sort": sort && (ui.by === by ? (ui.down ? "descending" : "ascending") : "none") },
  sort ? h("button", { type: "button", class: "lw-sort", key: `${name}-sort-${by}`, "data-focus": `${name}-sort-${by}`,
    title: `Sort by ${spoken}`, "aria-label": `${spoken}, sort`, onclick: () => sort(by) }, label,
  ui.by === by && icon("down", ui.down ? "turned" : "")) : [label, by !== "name" && h("span", { class: "spoken" }, spoken)]);
  return h("table", { class: sort ? "flush lw-byfield lw-whole" : "flush lw-byfield", role: "grid", key: name, "data-arrows": "",
    style: sort && `min-width:${180 + 104 * got.order.length}px`,
    "aria-label": `${words} by field and model` },
  h("thead", {}, h("tr", {}, head("name", "Field", "Field"),
    got.order.map((each) => head(each, sort ? [letter(each), h("span", { class: "m narrow-hide" }, names[each])] : letter(each), names[each])))),
  h("tbody", {}, rows.map((row) => h("tr", { key: `${name}-${row.path}` },
    h("th", { class: "m", scope: "row", title: row.path }, h("button", { type: "button", class: "lw-share", onclick: () => showField(view, row.path, null),
      "aria-label": `${row.name}: show its rows` }, row.name)),
    row.cells.map((cell, n) => fieldCell(view, row, cell && cell[key], { names, who: got.order[n], words, counted: Boolean(sort),
      least: hardest(row, key) }))))));
}

function hardest(row, key) {
  const known = row.cells.map((cell) => cell?.[key][0]).filter((share) => share !== null && share !== undefined);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const worst = ["invented", "missed", "nulls_in_words"].includes(key) ? most : least;
  return least < most ? worst : null;
}

function fieldCell(view, row, figure, { names, who, words, counted, least }) {
  if (!figure || figure[0] === null) return h("td", { class: "r muted" }, "–", h("span", { class: "spoken" }, " no figure"));
  const [share, of] = figure;
  const column = view.state.result.variants.findIndex((each) => each.letter === who);
  const value = share.toFixed(1);
  return h("td", { class: "r" }, h("button", { type: "button", class: "lw-share", onclick: () => showField(view, row.path, column, share === 100),
    title: `${value} of 100, ${of} counted`, "aria-label": `${row.name}, ${names[who]}: ${words}, ${value}, of ${of} counted. Show its rows` },
  h(share === least ? "b" : "span", {}, value),
  counted && h("span", { class: "muted lw-of" }, ` n ${of.toLocaleString("en")}`),
  h("span", { class: "lw-tick" }, h("i", { style: `width:${share}%` }))));
}

// ---- from here to the grid -----------------------------------------------------------------------

function openTab(view, tab, key) {
  view.ui.tab = tab;
  view.redraw();
  view.root.querySelector(`[data-key="${key}"]`)?.focus();
}

/** The grid of differences, narrowed to one field; the cursor stands in the variant's column. */
function showField(view, path, column, right) {
  Object.assign(view.ui.filter, { only: right ? "all" : "disagree", states: [], field: path, query: "" });
  view.ui.values = "";
  view.ui.tab = "differences";
  view.aimColumn = column;
  view.redraw();
  const box = view.root.querySelector('[data-key="find-values"]');
  if (box) box.value = "";
  view.grid.ask();
  view.grid.root.focus({ preventScroll: true });
}

/** Arrow keys in a table of buttons: rows and columns, Home and End, one tab stop. */
function arrows(table) {
  const lines = () => [...table.rows].map((row) => [...row.cells].map((cell) => cell.querySelector("button")));
  const all = () => lines().flat().filter(Boolean);
  const point = (target) => all().forEach((each) => {
    each.tabIndex = each === target ? 0 : -1;
  });
  if (!table.dataset.roved) {
    table.dataset.roved = "1";
    table.addEventListener("focusin", (e) => {
      if (e.target.nodeName === "BUTTON") point(e.target);
    });
    table.addEventListener("keydown", (e) => arrowKey(e, lines()));
  }
  const held = all().find((each) => each === focused(table));
  point(held || lines().slice(1).flat().find(Boolean) || all()[0]);
}

function arrowKey(e, lines) {
  const row = lines.findIndex((line) => line.includes(e.target));
  if (row < 0 || e.altKey || e.metaKey) return;
  const column = lines[row].indexOf(e.target);
  const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[e.key] || [0, 0];
  const edge = { Home: [e.ctrlKey ? 0 : row, -1, 1], End: [e.ctrlKey ? lines.length - 1 : row, Infinity, -1] }[e.key];
  let target = null;
  if (edge) {
    const line = lines[edge[0]].filter(Boolean);
    target = edge[2] > 0 ? line[0] : line[line.length - 1];
  } else if (down || right) {
    for (let [y, x] = [row + down, column + right]; lines[y] && x >= 0 && x < lines[y].length; y += down, x += right) {
      target = lines[y][x];
      if (target) break;
    }
  }
  if (!target && !edge && !down && !right) return;
  e.preventDefault();
  target?.focus();
}
