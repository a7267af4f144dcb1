// Before the run: what is asked of whom, what it costs, where it stops.

const MODELS_SHOWN = 4;
const FIELDS_SHOWN = 6;

function drawSetup(state, send, view) {
  const setup = state.setup;
  return [
    h("header", { key: "head" }, h("h2", {}, "Comparison"),
      h("span", { class: "s muted" }, setup.said), h("span", { class: "grow" }),
      state.back && button(state.back, () => send("back"), { bare: true, small: true, key: "back" }),
      setup.code && button("Copy as code", () => send("code"), { bare: true, small: true, key: "code" })),
    alertLine(state.error),
    drawProblems(setup.problems, send),
    drawEmbedded(view),
    h("div", { key: "setup", class: "cols lw-setup" },
      setup.empty ? drawNoModels(setup.empty, send) : drawModels(setup, send, view),
      h("div", { class: "body stack", key: "material" },
        drawFields(setup.schema, view, send), drawTexts(setup.texts, send, view), drawOptions(setup, send))),
    (!setup.empty || inHand(view, "budget")) && drawSetupFoot(setup, send),
  ];
}

function drawProblems(problems, send) {
  if (!problems.length) return null;
  return h("div", { key: "problems", class: "body stack t lw-problems", role: "alert" },
    problems.map((each) => h("div", { class: "note", key: `problem-${each.where}` },
      icon("fail", "fail"), h("h3", {}, each.sentence), each.hint && h("p", {}, each.hint),
      each.action && h("div", { class: "row" }, button(each.action.label,
        () => send(each.action.type, each.action.content || {}), { small: true, key: `mend-${each.where}` })))));
}

function drawNoModels(empty, send) {
  return h("div", { key: "empty", class: "body stack" },
    h("div", {}, h("h3", {}, empty.sentence), h("p", { class: "muted" }, empty.hint)),
    h("div", { class: "row wrap" },
      button("Open connections", () => send("connections"), { go: true, key: "connections" }),
      button("Use the demo server, no key needed", () => send("demo"), { bare: true, key: "demo" })));
}

// ---- models --------------------------------------------------------------------------------------

function drawModels(setup, send, view) {
  const query = (view.ui.models || "").trim().toLowerCase();
  const groups = setup.groups.map((group) => ({ ...group,
    rows: group.rows.filter((row) => `${group.title} ${row.id}`.toLowerCase().includes(query)) }))
    .filter((group) => group.rows.length);
  return h("div", { key: "models" },
    h("div", { class: "row lw-lead" }, h("h3", {}, "Models"),
      h("span", { class: "s muted", role: "status" }, setup.ticked), h("span", { class: "grow" }),
      searchBox("models", view, "Search models", () => view.redraw())),
    h("div", { class: "lw-models", role: "group", "aria-label": "Models", key: "list" },
      h("div", { class: "lw-model lw-names", "aria-hidden": "true" }, h("span"), h("span", {}, "Model"),
        h("span", { class: "narrow-hide" }, "Reply"), h("span", { class: "r" }, "$ per 1,000 texts"), h("span")),
      groups.map((group) => drawGroup(group, query, send, view)),
      !groups.length && h("p", { class: "lw-lead muted" }, `No model matches “${view.ui.models}”.`)));
}

function searchBox(name, view, label, changed) {
  return h("span", { class: "in s lw-search", key: `search-${name}` },
    h("input", { type: "search", key: `find-${name}`, placeholder: label, "aria-label": label,
      oninput: (e) => {
        view.ui[name] = e.target.value;
        changed();
      },
      onkeydown: (e) => {
        if (e.key !== "Escape" || !e.target.value) return;
        e.preventDefault();
        e.target.value = "";
        view.ui[name] = "";
        changed();
      } }), h("kbd", { "aria-hidden": "true" }, "/"));
}

function drawGroup(group, query, send, view) {
  const all = query || view.ui.open[`group-${group.label}`];
  const shown = all ? group.rows : group.rows.filter((row, n) => row.ticked || n < MODELS_SHOWN);
  const hidden = group.rows.length - shown.length;
  const some = group.count > 0 && group.count < group.pickable;
  return h("div", { key: `group-${group.label}`, role: "group", "aria-label": group.title },
    h("div", { class: "lw-model lw-group", key: "head" },
      group.pickable > 1 ? h("input", { type: "checkbox", key: `all-${group.label}`, indeterminate: some,
        checked: group.count > 0 && !some, "aria-label": `All models of ${group.title}`,
        onchange: (e) => send("tick_all", { label: group.label, on: e.target.checked }) }) : h("span"),
      h("span", { class: "lw-wide" }, h("b", {}, group.title), " ", h("span", { class: "muted" }, group.said))),
    shown.map((row) => drawModel(row, send, view)),
    hidden > 0 && h("div", { class: "lw-model", key: "more" }, h("span"), textButton(`Show ${hidden} more`, () => {
      view.ui.open[`group-${group.label}`] = true;
      view.redraw();
    }, { key: `more-${group.label}` })));
}

function drawModel(row, send, view) {
  const name = `model-${row.ref}`;
  return [
    h("div", { class: row.enabled ? "lw-model" : "lw-model off", key: name },
      h("input", { type: "checkbox", id: row.dom, key: `tick-${row.ref}`, checked: row.ticked,
        disabled: !row.enabled, "aria-label": row.spoken,
        onchange: (e) => send("tick", { ref: row.ref, on: e.target.checked }) }),
      h("span", {}, h("span", { class: "row wrap lw-id" }, h("span", { class: "m" }, row.id),
        row.letter && letter(row.letter)),
      row.notes.map((each) => h("span", { class: `lw-note tone-${each.tone}` },
        each.tone !== "muted" && h("b", {}, "! "), each.text))),
      h("span", { class: "narrow-hide" }, row.mode),
      h("span", { class: row.price === "unknown" ? "r muted" : "r" }, row.price),
      row.ticked ? button("Duplicate column", () => send("duplicate", { ref: row.ref }),
        { iconOnly: "plus", bare: true, small: true, key: `copy-${row.ref}` }) : h("span")),
    row.copies.map((copy) => drawCopy(copy, send, view)),
  ];
}

function drawCopy(copy, send, view) {
  const set = (content) => send("edit_copy", { key: copy.key, ...content });
  return h("div", { class: "lw-model lw-copy", key: `copy-${copy.key}` }, h("span"),
    h("details", { class: "lw-wide", key: `edit-${copy.key}`, open: true },
      h("summary", {}, icon("right"), letter(copy.letter), " ", h("span", { class: "m" }, copy.label), " ",
        h("span", { class: "muted" }, copy.said)),
      h("div", { class: "stack t inside" },
        labelled("Name of the column", h("input", { class: "in m", type: "text", key: `name-${copy.key}`,
          value: copy.label, rev: copy.label, onchange: (e) => set({ label: e.target.value }) })),
        labelled("Instructions", h("textarea", { class: "in", rows: 4, key: `said-${copy.key}`,
          value: copy.instructions, rev: copy.instructions,
          onchange: (e) => set({ instructions: e.target.value }) })),
        labelled("Examples", copy.examples.given ? h("p", { class: "s muted" }, copy.examples.given)
          : h("input", { class: "in lw-number", type: "number", min: 0, max: 50, key: `shots-${copy.key}`, value: copy.examples.count,
            rev: String(copy.examples.count), onchange: (e) => set({ examples: e.target.value || "0" }) }),
        copy.examples.given ? "" : "So many labelled texts are shown to this column, and left out of scoring for all."),
        h("div", { class: "row wrap" }, labelled("Thinking", select(copy.efforts, copy.effort,
          (value) => set({ effort: value }), `effort-${copy.key}`)), h("span", { class: "grow" }),
        button("Remove column", () => send("drop_copy", { key: copy.key }),
          { small: true, key: `drop-${copy.key}` })))));
}

function labelled(words, control, help) {
  return h("label", { class: "field" }, h("span", { class: "label" }, words), control,
    help && h("span", { class: "help" }, help));
}

function select(choices, value, onchange, key, label) {
  return h("select", { class: "in s", key, rev: `${value}`, "aria-label": label, onchange: (e) => onchange(e.target.value) },
    choices.map(([name, words]) => h("option", { value: name, selected: name === value }, words)));
}

// ---- fields, texts, options ----------------------------------------------------------------------

function drawFields(schema, view, send) {
  if (!schema) return null;
  const all = view.ui.open.fields;
  const shown = all ? schema.fields : schema.fields.slice(0, FIELDS_SHOWN);
  return h("div", { class: "stack t", key: "fields" },
    h("div", { class: "row" }, h("h3", {}, "Fields"), h("span", { class: "s muted" }, schema.said),
      h("span", { class: "grow" }), schema.edit && button(schema.edit, () => send("fields"), { bare: schema.fields.length > 0, small: true, key: "fields" })),
    shown.length > 0 && h("table", { class: "flush lw-fields" },
      h("thead", {}, h("tr", {}, ["Name", "Type", "Description"].map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, shown.map((each) => h("tr", { key: `field-${each.path}` },
        h("th", { class: "m", scope: "row", title: each.path }, each.path),
        h("td", {}, each.type, each.loss && [" ", h("b", { class: "tone-warn", title: each.loss }, "*")]),
        h("td", { class: "muted" }, each.description))))),
    schema.fields.length > shown.length && textButton(`Show ${schema.fields.length - shown.length} more`, () => {
      view.ui.open.fields = true;
      view.redraw();
    }, { key: "more-fields" }),
    schema.losses.map((each) => h("p", { class: "s muted" }, h("b", { class: "tone-warn" }, "*"), " ", each)),
    schema.hint && h("p", { class: "s muted" }, schema.hint));
}

function drawTexts(texts, send, view) {
  if (!texts) return null;
  return h("div", { class: "stack x", key: "texts" },
    h("div", { class: "row" }, h("h3", {}, "Texts"), h("span", { class: "s muted" }, texts.said),
      h("span", { class: "grow" }), button("Choose", () => {
        view.ui.open.texts = !view.ui.open.texts;
        view.redraw();
      }, { bare: true, small: true, key: "choose", "aria-expanded": String(Boolean(view.ui.open.texts)) })),
    view.ui.open.texts && drawChooser(send, view),
    h("ul", { class: "lw-texts" }, texts.first.map((each) => h("li", { key: `text-${each.id}` },
      h("code", { class: "muted" }, each.id), h("span", {}, each.line)))),
    texts.samples && h("div", { class: "row wrap" }, texts.samples.map((each) =>
      button(each.label, () => send("sample", { name: each.name }), { small: true, key: `sample-${each.name}` }))));
}

function drawOptions(setup, send) {
  const { options } = setup;
  const set = (content) => send("options", content);
  return h("details", { key: "options" },
    h("summary", {}, icon("right"), "Instructions, repeats, parallel calls ", h("span", { class: "muted" }, options.said)),
    h("div", { class: "stack t inside" },
      options.crossed
        ? h("p", { class: "s muted" }, options.crossed)
        : labelled("Instructions", h("textarea", { class: "in", rows: 8, key: "instructions",
          value: options.instructions, rev: options.instructions,
          onchange: (e) => set({ instructions: e.target.value }) }),
        "The same for every model. The schema stands in the prompt as well where it is not enforced."),
      h("div", { class: "row wrap top" },
        labelled("Repeats", h("input", { class: "in lw-number", type: "number", min: 1, max: 20, key: "repeats",
          value: options.repeats, rev: String(options.repeats),
          onchange: (e) => set({ repeats: e.target.value }) }), "Calls for each text"),
        labelled("Parallel calls", h("input", { class: "in lw-number", type: "number", min: 1, key: "concurrency",
          placeholder: "automatic", value: options.concurrency, rev: String(options.concurrency),
          onchange: (e) => set({ concurrency: e.target.value }) }), options.pace)),
      h("ul", { class: "s muted lw-defaults" }, options.defaults.map((each) => h("li", {}, each)))));
}

function drawSetupFoot(setup, send) {
  const { estimate } = setup;
  return h("footer", { key: "foot", class: "wrap" },
    setup.expected && h("div", { class: "row wrap lw-matters lw-expected", key: "matters" }, drawMatters(setup.matters, send),
      h("span", { role: "status" }, setup.expected)),
    h("div", { class: "grow lw-estimate", role: "status" },
      h("p", {}, h("b", {}, estimate.head), " ", h("span", { class: "muted" }, estimate.rest)),
      estimate.lines.map((each) => h("p", { class: "s muted" }, each))),
    h("span", { class: "row wrap lw-go" },
      setup.missing && h("span", { class: "s tone-warn lw-missing" }, setup.missing),
      h("label", { class: "row nw" }, h("span", { class: "s muted" }, "Stop before"),
        h("span", { class: "in lw-money" }, h("span", { class: "muted" }, "$"),
          h("input", { type: "text", inputmode: "decimal", key: "budget", placeholder: "no limit",
            "aria-label": "Stop before, in US dollars", value: setup.budget, rev: setup.budget,
            onchange: (e) => send("budget", { budget: e.target.value }) }))),
      setup.trial && button(setup.trial, () => send("run", { trial: true }), { key: "trial", disabled: !!setup.missing }),
      button(setup.run, () => send("run"), { go: true, key: "run", disabled: !!setup.missing, "data-main": "" })));
}
