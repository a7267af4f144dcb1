// The comparison panel: which screen is shown, its header, and the messages that are no state.
//
// The state holds what fits in a glance (screen, variants, counts). Everything else, rows, texts,
// scores, requests, is asked for by message and kept in `view.got` until the result changes.

const COMPARISON_TABS = [
  ["differences", "Differences"],
  ["text", "Text"],
  ["scoreboard", "Scoreboard"],
  ["charts", "Charts"],
  ["request", "Request"],
];

const LW_MODEL_STOPS =
  ".lw-model > input[type=checkbox], .lw-model > .btn, .lw-model > .aslink";

function letter(text) {
  return h("span", { class: "abc", "aria-hidden": "true" }, text);
}

function variantName(variant) {
  return h("span", { class: "row" }, letter(variant.letter), h("span", { class: "m", title: variant.label }, variant.label));
}

function comparisonView(view) {
  if (!view.ui) {
    view.ui = { tab: "differences", open: {}, filter: { only: "disagree", states: [], field: "", query: "", sort: "loud" } };
    view.got = {};
  }
  return view;
}

function drawComparison(state, send, view) {
  comparisonView(view);
  const result = state.screen === "results" ? state.result : null;
  if (result && view.run !== result.run) {
    view.run = result.run;
    view.got = {};
    view.grid = null;
  }
  if (result && view.revision !== result.revision) {
    view.revision = result.revision;
    const moved = ["scores", "text", ...(result.live || view.live ? ["grounding"] : [])];
    view.live = result.live;
    for (const name of moved) delete view.got[name], delete view.got[`asked-${name}`];
  }
  view.root.classList.add("lw-comparison");
  if (!view.keyed) {
    view.keyed = true;
    view.root.addEventListener("keydown", (e) => slash(e, view.root));
  }
  const screens = { setup: drawSetup, running: drawRunning, results: drawResults, fields: drawFieldEditor };
  return [screens[state.screen](state, send, view), drawSheet(view)];
}

/** "/" goes to the search box of what is shown, except where it is typed. */
function slash(e, root) {
  const box = root.querySelector(".lw-search input");
  if (e.key !== "/" || !box || /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.nodeName)) return;
  e.preventDefault();
  box.focus();
}

function drawResults(state, send, view) {
  const { ui } = view;
  const tabs = { differences: drawDifferences, text: drawText, scoreboard: drawScoreboard,
    charts: drawCharts, request: drawRequest };
  const show = (tab) => {
    ui.tab = tab;
    view.redraw();
  };
  return [
    h("header", { key: "head" },
      h("h2", { class: "narrow-hide" }, "Comparison"),
      drawTabs(ui.tab, show),
      h("span", { class: "grow" }),
      button("Copy as code", () => send("code"), { bare: true, small: true, key: "code", class: "btn bare sm narrow-hide" }),
      button("CSV", () => send("csv"), { bare: true, small: true, key: "csv", title: "Download every value as CSV" }),
      button("HTML", () => askForReport(view, send), { bare: true, small: true, key: "html", title: "Download a report" }),
      drawAgain(state, send)),
    alertLine(state.error),
    drawNotes(state.result, send),
    h("div", { key: `tab-${ui.tab}`, role: "tabpanel", class: "lw-tab", "aria-label": ui.tab },
      tabs[ui.tab](state, send, view)),
  ];
}

function drawAgain(state, send) {
  if (!state.again) return null;
  return button(state.again, () => send("again"), { bare: true, small: true, key: "again",
    title: "Back to models, fields and texts" });
}

/** What is not whole about this result, and the one way on. */
function drawNotes(result, send) {
  const reading = result.read < result.texts ? [`${result.read} of ${result.texts} texts are read.`] : [];
  const facts = [...result.facts, ...reading];
  if (!facts.length && !result.notes.length) return null;
  return h("div", { class: "lw-bar lw-parts", key: "parts", role: "status" },
    h("div", { class: "grow" }, facts.map((each) => h("p", { class: "s" }, each)), result.notes.map((each) => h("p", { class: "s" },
      h("b", { class: "tone-warn" }, "! "), each))),
    result.resume && button(result.resume, () => send("resume"), { small: true, key: "resume" }));
}

function drawTabs(open, show) {
  return h("div", { class: "tabs", role: "tablist", key: "tabs", "aria-label": "Views of the comparison" },
    COMPARISON_TABS.map(([name, label]) => h("button", {
      type: "button", role: "tab", key: `tab-${name}`, class: open === name ? "tab on" : "tab",
      "aria-selected": String(open === name), "data-main": open === name, onclick: () => show(name) }, label)));
}

// ---- a sheet over the panel: code to copy, a question about the report ---------------------------

function drawSheet(view) {
  const sheet = view.ui.sheet;
  if (!sheet) return null;
  const close = () => {
    view.ui.sheet = null;
    view.redraw();
    view.root.querySelector(`[data-key="${sheet.from}"]`)?.focus();
  };
  return h("div", { key: "sheet", class: "lw-sheet", role: "dialog", "aria-label": sheet.title,
    onkeydown: (e) => {
      if (e.key !== "Escape") return;
      e.preventDefault();
      close();
    } },
  h("div", { class: "row" }, h("h3", {}, sheet.title), h("span", { class: "grow" }),
    button("Close", close, { bare: true, small: true, key: "sheet-close" })),
  sheet.said && h("p", { class: "s muted" }, sheet.said),
  sheet.text !== undefined && h("textarea", { key: "sheet-text", class: "in m", readonly: true,
    rows: Math.min(16, sheet.text.split("\n").length + 1), rev: sheet.text, value: sheet.text,
    "aria-label": sheet.title, spellcheck: "false" }),
  sheet.actions && h("div", { class: "row wrap" }, sheet.actions.map(([label, run, go]) =>
    button(label, () => {
      close();
      run();
    }, { go, key: `sheet-${label}` }))));
}

function openSheet(view, sheet, own = true) {
  view.ui.sheet = sheet;
  view.redraw();
  if (!own) return;
  const target = view.root.querySelector(".lw-sheet textarea, .lw-sheet .btn:not(.bare)");
  target?.focus();
  if (target?.select) target.select();
}

function askForReport(view, send) {
  openSheet(view, { title: "Report as HTML", from: "html",
    said: "Without values it holds scores, marks and field names. With values it also holds what was extracted; never the texts.",
    actions: [["Without values", () => send("html", { values: false }), true],
      ["With values", () => send("html", { values: true })]] });
}

async function showCopied(view, message) {
  const said = await copied(message.text) ? "Copied." : "Select and copy it.";
  openSheet(view, { title: message.title, from: message.from || "code", text: message.text,
    said: [message.said, said].filter(Boolean).join(" ") }, view.answers(message));
}

// ---- messages ------------------------------------------------------------------------------------

function hearComparison(message, buffers, view) {
  comparisonView(view);
  const kinds = {
    grid: () => view.grid?.lay(message, buffers),
    blocks: () => view.grid?.take(message),
    changed: () => view.grid?.changed(message),
    detail: () => view.grid?.detail(message),
    text: () => keepGot(view, "text", message),
    scores: () => keepGot(view, "scores", message),
    grounding: () => keepGot(view, "grounding", message),
    request: () => keepGot(view, "request", message),
    code: () => showCopied(view, message),
    file: () => download(message.name, [buffers[0]], message.mime),
    embed: () => embed(view, message),
  };
  if (message.run !== undefined && message.run !== view.run) return;
  kinds[message.type]?.();
}

function keepGot(view, name, message) {
  view.got[name] = message;
  view.redraw();
}

/** What a view needs and does not have yet is asked for once; the answer redraws. */
function need(view, send, name, content, fits) {
  const got = view.got[name];
  if (got && fits(got)) return got;
  const asked = JSON.stringify(content);
  if (view.got[`asked-${name}`] !== asked) {
    view.got[`asked-${name}`] = asked;
    send(name, content);
  }
  return null;
}

/** Another widget inside this one, where the page has a manager of widgets. */
async function embed(view, message) {
  const manager = view.manager;
  if (!manager?.create_view) {
    openSheet(view, { title: "Connections", from: "connections", text: "lw.ConnectionPanel()",
      said: "Run this in a cell; what is connected there appears here." }, view.answers(message));
    return;
  }
  const child = await manager.create_view(await manager.get_model(message.model));
  view.ui.embed = h("div", { key: "embedded", "data-owned": "" }, child.el);
  view.redraw();
  if (view.answers(message)) view.root.querySelector(".lw-embed button")?.focus();
}

function drawEmbedded(view) {
  const inside = view.ui.embed;
  if (!inside) return null;
  const close = () => {
    view.ui.embed = null;
    view.redraw();
  };
  return h("div", { class: "lw-embed", key: "embed" },
    h("div", { class: "row" }, h("span", { class: "s muted" }, "What is connected here can be ticked below."),
      h("span", { class: "grow" }), button("Done", close, { small: true, key: "embed-done" })),
    inside.isConnected ? h("div", { key: "embedded", "data-owned": "" }) : inside);
}

function waiting(words) {
  return h("p", { class: "body muted", role: "status" }, words);
}

function hints(pairs) {
  return h("span", { class: "hint" }, pairs.map(([keys, said]) =>
    h("span", {}, keys.map((key) => [h("kbd", {}, key), " "]), said)));
}

function afterComparison(root) {
  for (const list of root.querySelectorAll(".tabs")) rove(list, "[role=tab]");
  for (const table of root.querySelectorAll("[data-arrows]")) arrows(table);
  for (const list of root.querySelectorAll(".lw-models")) rove(list, LW_MODEL_STOPS);
  reachScrolled(root);
}

/** What is wider than its place can be scrolled by keyboard too; what fits is no tab stop. */
function reachScrolled(root) {
  const look = () => root.querySelectorAll(".lw-scroll").forEach((each) => {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
    else each.removeAttribute("tabindex");
  });
  look();
  if (root.lwWidth) return;
  root.lwWidth = new ResizeObserver(look);
  root.lwWidth.observe(root);
}

export default {
  render: ({ model, el }) => mount({ model, el, label: "Comparison", draw: drawComparison,
    onmessage: (message, buffers, view) => {
      view.manager = model.widget_manager;
      hearComparison(message, buffers, view);
    }, after: afterComparison }),
};
