// The fields as rows: name, type, list, required, description, allowed values. Checked while typing.

function drawFieldEditor(state, send, view) {
  const { fields } = state;
  const set = (row, content) => send("field_edit", { row, ...content });
  return [
    h("header", { key: "head" }, h("h2", {}, "Fields"), h("span", { class: "s muted", role: "status" },
      fields.wrong || fields.said), h("span", { class: "grow" }),
    button("As JSON Schema", () => send("fields_code", { format: "json", from: "as-json" }),
      { bare: true, small: true, key: "as-json", disabled: Boolean(fields.wrong) }),
    button("As pydantic", () => send("fields_code", { format: "pydantic", from: "as-pydantic" }),
      { bare: true, small: true, key: "as-pydantic", disabled: Boolean(fields.wrong) })),
    alertLine(state.error),
    h("div", { key: "rows", class: "body stack" },
      h("details", { key: "example" }, h("summary", {}, icon("right"), "From an example ",
        h("span", { class: "muted" }, "a record as JSON")),
      h("div", { class: "stack t inside" }, labelled("Example", h("textarea", { class: "in m", rows: 5, key: "example-text",
        spellcheck: "false", placeholder: '{"amount": 4180.0, "incident_date": "2026-10-10"}' }),
      "Only the names and types are taken; they replace the rows below."),
      h("div", {}, button("Make the rows", () => send("field_example",
        { text: view.root.querySelector('[data-key="example-text"]').value }), { small: true, key: "make-rows" })))),
      h("div", { class: "lw-scroll" }, h("table", { class: "flush lw-rows" },
        h("thead", {}, h("tr", {}, ["Name", "Type", "List", "Required", "Description", "Allowed values"].map((each) =>
          h("th", { scope: "col" }, each)), h("th", { scope: "col" }, h("span", { class: "spoken" }, "Remove")))),
        h("tbody", {}, fields.rows.map((row, n) => drawFieldRow(row, n, fields, set, send))))),
      h("div", { class: "row wrap" }, button("Add a field", () => send("field_add"), { small: true, key: "add-row" }),
      h("span", { class: "s muted" }, "A dot makes a group, [] a list of groups: policy.number, lines[].total.")),
      fields.warning && note("warn", "", fields.warning)),
    h("footer", { key: "foot" }, h("span", { class: "grow" }),
      button("Cancel", () => send("fields_close"), { bare: true, key: "fields-close" }),
      button("Use these fields", () => send("fields_use"), { go: true, key: "fields-use", disabled: Boolean(fields.wrong), "data-main": "" })),
  ];
}

function drawFieldRow(row, n, fields, set, send) {
  const rev = `${fields.edition}`;
  const where = `of row ${n + 1}`;
  const words = (key, label, more = {}) => h("input", { class: "in s", type: "text", key: `${key}-${n}`, rev, value: row[key],
    "aria-label": `${label} ${where}`, oninput: (e) => set(n, { [key]: e.target.value }), ...more });
  const tick = (key, label) => h("input", { type: "checkbox", key: `${key}-${n}`, rev: `${rev}-${row[key]}`, checked: row[key],
    "aria-label": `${label}, row ${n + 1}`, onchange: (e) => set(n, { [key]: e.target.checked }) });
  const wrong = row.problem && row.name;
  return [
    h("tr", { key: `row-${n}`, class: wrong ? "lw-wrong" : undefined },
      h("td", {}, words("name", "Name", { class: "in s m", spellcheck: "false", "aria-invalid": wrong ? "true" : undefined,
        "aria-describedby": row.problem ? `said-${n}` : undefined })),
      h("td", {}, select(fields.types, row.type, (kind) => set(n, { kind }), `type-${n}`, `Type ${where}`)),
      h("td", { class: "lw-tick-cell" }, tick("many", "List")),
      h("td", { class: "lw-tick-cell" }, tick("required", "Required")),
      h("td", {}, words("description", "Description")),
      h("td", {}, words("values", "Allowed values", { placeholder: "any" })),
      h("td", {}, button("Remove", () => send("field_drop", { row: n }), { bare: true, small: true, key: `drop-${n}`,
        "aria-label": `Remove row ${n + 1}` }))),
    row.problem && h("tr", { key: `said-row-${n}` }, h("td", { colspan: 7, id: `said-${n}`, class: "lw-said-row" },
      h("span", { class: wrong ? "s tone-fail" : "s muted" }, wrong ? h("b", {}, "! ") : "", row.problem), " ",
      row.instead && textButton(`Use ${row.instead}`, () => send("field_rename", { row: n, name: row.instead }), { key: `instead-${n}` }))),
  ];
}

/** Texts pasted, or read from files in the page and sent beside the message, never in the state. */
function drawChooser(send, view) {
  const done = () => {
    view.ui.open.texts = false;
  };
  return h("div", { class: "stack t", key: "chooser" },
    labelled("Paste texts", h("textarea", { class: "in", rows: 5, key: "pasted", placeholder: "A text\n---\nThe next text" }),
      "A line of --- stands between two texts. They take the place of the texts below."),
    h("div", { class: "row wrap" }, button("Use what is pasted", () => {
      const box = view.root.querySelector('[data-key="pasted"]');
      done();
      send("paste", { text: box.value });
      box.value = "";
    }, { small: true, key: "use-pasted" }),
    h("label", { class: "row s" }, "or files: ", h("input", { type: "file", multiple: true, accept: ".txt,.md,.csv,.jsonl", key: "files",
      onchange: async (e) => {
        const files = [...e.target.files];
        const contents = await Promise.all(files.map((each) => each.arrayBuffer()));
        done();
        send("files", { names: files.map((each) => each.name) }, contents.map((each) => new DataView(each)));
      } }))));
}
