// The form of a connection: fields in three groups, buttons, and where to find what it asks.
// `view.ui` keeps what only the page knows: which secret is being replaced, what is unfolded.

/** The form itself; `options.heading` is put above the first field. */
function formFields(view, form) {
  return [
    form.apart && h("div", { key: "apart", role: "status" },
      note("warn", form.apart, "What you typed stays here.")),
    form.key_notes.map((each) => h("div", { key: `life:${each.said}` },
      note("warn", each.said, each.fix))),
    form.presets.length > 0 && presetChips(view, form),
    ...form.groups.filter((group) => group.name === "main")
      .flatMap((group) => group.fields.map((field) => formField(view, form, field))),
    ...form.groups.filter((group) => group.name !== "main"
      && (!form.read_only || group.fields.some((field) => field.filled)))
      .map((group) => folded(view, form, group)),
    form.problem && h("p", { class: "err", role: "alert", key: "problem" }, form.problem),
    form.hint && h("p", { class: "help", key: "hint" }, form.hint),
    form.warnings.map((said) => h("div", { class: "s", key: `warn:${said}` }, note("warn", "", said))),
  ];
}

/** Servers that are often connected: one click fills in the address and changes the steps. */
function presetChips(view, form) {
  return h("div", { class: "row wrap chips", key: "presets", role: "group",
    "aria-label": "Servers that are often connected" },
  form.presets.map((each) => h("button", { type: "button", class: "chip", key: each.title,
    "aria-pressed": String(each.on), onclick: () => view.send("preset",
      { form: form.key, title: each.title, values: valuesOf(view.root) }) }, each.title)));
}

function folded(view, form, group) {
  return h("details", { key: `${form.key}:${group.name}`, open: group.open, class: "folded" },
    h("summary", {}, icon("right"), h("span", {}, group.title),
      h("span", { class: "muted" }, group.name === "advanced" ? "advanced" : "optional")),
    h("div", { class: "inside stack" },
      form.labelled && group.name === "advanced" && labelField(view, form),
      group.fields.map((field) => formField(view, form, field))));
}

function labelField(view, form) {
  return inputField(form, { name: "label", label: "Label", optional: true, type: "text",
    value: form.typed_label, placeholder: "", error: "",
    help: "How code and tables call this connection; by default the name above." }, view);
}

function formField(view, form, field) {
  if (form.read_only && field.type !== "secret") return toldField(field);
  const draw = { secret: secretField, bool: boolField, headers: headersField,
    price: priceField, date: dateField }[field.type];
  return draw ? draw(view, form, field) : inputField(form, field, view);
}

/** A field of a connection that is provided: it is told, and not changed here. */
function toldField(field) {
  if (!field.filled) return null;
  const said = field.rows ? field.rows.map((row) => row.name).join(", ")
    : field.type === "bool" ? "yes"
    : field.type === "price" ? `$${field.value.input} in, $${field.value.output} out`
    : String(field.value);
  return h("div", { class: "field", key: `told:${field.name}` },
    h("span", { class: "label" }, field.label), h("div", { class: "in m ro" }, said));
}

function idsOf(form, name) {
  const stem = `lw-${form.key}-${name}`.replace(/[^\w-]/g, "-");
  return { control: stem, line: `${stem}-line` };
}

function heading(field, ids) {
  return h("label", { for: ids.control }, field.label,
    field.optional && h("i", {}, " optional"));
}

function lineBelow(field, ids, help) {
  return field.error
    ? h("p", { class: "err", id: ids.line, role: "alert" }, field.error)
    : h("p", { class: "help", id: ids.line }, help);
}

function inputField(form, field, view) {
  const ids = idsOf(form, field.name);
  const attributes = {
    class: `in${field.address ? " m" : ""}`, id: ids.control, rev: form.rev,
    value: field.value ?? "", placeholder: field.placeholder, "data-field": field.name,
    "data-focus": field.name, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    "aria-describedby": ids.line, "aria-invalid": field.error ? "true" : undefined,
    "aria-required": String(!field.optional),
    onchange: () => view.send("edit", { form: form.key, values: valuesOf(view.root) }),
  };
  const choices = field.choices?.length ? `${ids.control}-choices` : undefined;
  const control = field.address
    ? h("textarea", { ...attributes, rows: 1 })
    : h("input", { ...attributes, type: "text", list: choices });
  return h("div", { class: "field", key: ids.control }, heading(field, ids), control,
    choices && h("datalist", { id: choices }, field.choices.map((each) =>
      h("option", { value: each }))),
    lineBelow(field, ids, field.help), field.name === "endpoint" && readFromIt(form));
}

/** What the pasted address was read as, what will be called, what in the form differs. */
function readFromIt(form) {
  const { address } = form;
  return [
    address && address.parts.length > 0 && h("p", { class: "row wrap s read" },
      h("span", { class: "muted" }, "Read from it:"), address.parts.map(([name, said]) =>
        h("span", {}, h("span", { class: "muted" }, `${name} `),
          name === "format" ? said : h("code", { class: name === "deployment" ? "b" : "" }, said)))),
    address && h("p", { class: "s read" }, h("span", { class: "muted" }, "Calls "),
      h("code", {}, address.calls)),
    !(form.report && form.report.fix.length) && form.notes.map((said) =>
      h("p", { class: "s tone-warn" }, said)),
  ];
}

function secretField(view, form, field) {
  const ids = idsOf(form, field.name);
  if (form.read_only && field.secret.state === "empty") return null;
  const spec = { ...field, brief: isBrief(form), told: form.read_only };
  const help = [field.secret.state === "empty" && field.help ? `${field.help} ` : "",
    form.host ? `Sent to ${form.host} and to no other host. ` : "",
    field.name.endsWith("key") && keyLink(form)];
  view.form = form.key;
  return h("div", { class: "field", key: ids.control },
    field.secret.state === "empty" || view.ui[`replace:${form.key}:${field.name}`]
      ? heading(field, ids)
      : h("span", { class: "label" }, field.label, field.optional && h("i", {}, " optional")),
    secretControl(view, spec, ids), accountFacts(field), lineBelow(field, ids, help));
}

/** Whose credentials arrived: names that are no secret. */
function accountFacts(field) {
  return field.facts?.length > 0 && h("p", { class: "row wrap s read", role: "status" },
    field.facts.map(([name, said]) => h("span", {}, h("span", { class: "muted" }, `${name} `),
      h("code", {}, said))));
}

function keyLink(form) {
  // Of all the servers that Custom can be, one alone gives its keys on a page of its own.
  if (form.kind === "custom" && !form.host.endsWith("huggingface.co")) return null;
  const found = form.links.find((each) => /key|token|credential/i.test(each.text));
  return found && link(found.text, found.url);
}

function boolField(view, form, field) {
  const ids = idsOf(form, field.name);
  return h("div", { class: "field", key: ids.control },
    choice(field.label, Boolean(field.value), () => view.send("edit",
      { form: form.key, values: valuesOf(view.root) }), { "data-field": field.name,
      "data-focus": field.name, rev: form.rev, "aria-describedby": ids.line }),
    lineBelow(field, ids, field.help));
}

function priceField(view, form, field) {
  const ids = idsOf(form, field.name);
  const number = (name) => h("input", { class: "in", id: `${ids.control}-${name}`, type: "text",
    inputmode: "decimal", rev: form.rev, value: field.value?.[name] ?? "", placeholder: "0.00",
    autocomplete: "off", "data-field": field.name, "data-part": name,
    onchange: () => view.send("edit", { form: form.key, values: valuesOf(view.root) }),
    "aria-describedby": ids.line, "aria-invalid": field.error ? "true" : undefined });
  return h("fieldset", { class: "field", key: ids.control },
    h("legend", { class: "label" }, field.label, h("i", {}, " optional")),
    h("div", { class: "row price" },
      h("label", { for: `${ids.control}-input`, class: "muted" }, "input $"), number("input"),
      h("label", { for: `${ids.control}-output`, class: "muted" }, "output $"), number("output")),
    lineBelow(field, ids, field.help));
}

/** The browser's own calendar; what it sends is 2026-12-11, or nothing. */
function dateField(view, form, field) {
  const ids = idsOf(form, field.name);
  return h("div", { class: "field", key: ids.control }, heading(field, ids),
    h("input", { class: "in day", id: ids.control, type: "date", rev: form.rev,
      value: field.value ?? "", "data-field": field.name, "data-focus": field.name,
      autocomplete: "off", "aria-describedby": ids.line,
      "aria-invalid": field.error ? "true" : undefined,
      onchange: () => view.send("edit", { form: form.key, values: valuesOf(view.root) }) }),
    lineBelow(field, ids, field.help));
}

/** Header values are secrets: a name, a value that leaves at once, then a line a header. */
function headersField(view, form, field) {
  const ids = idsOf(form, field.name);
  const add = (e) => {
    const row = e.target.closest(".newheader");
    sendHeader(view, form, row);
    row.querySelector("input").focus();
  };
  const onkeydown = (e) => {
    if (e.key === "Enter") {
      e.preventDefault();
      e.stopPropagation();
      add(e);
    }
  };
  return h("fieldset", { class: "field", key: ids.control },
    h("legend", { class: "label" }, field.label, h("i", {}, " optional")),
    field.rows.map((row) => h("div", { class: "in ro", key: `header:${row.name}` },
      icon("lock", "muted"), h("code", {}, row.name), secretLine(row, isBrief(form)),
      button("Remove", () => view.send("clear", { form: form.key, field: field.name,
        header: row.name }), { bare: true, small: true, class: "btn bare sm within",
        "aria-label": `Remove the header ${row.name}` }))),
    h("div", { class: "row newheader" },
      h("input", { class: "in m", id: ids.control, type: "text", placeholder: "X-Gateway-Team",
        "aria-label": "Name of the header", autocomplete: "off", onkeydown }),
      h("input", { class: "in m", type: "password", placeholder: "value", autocomplete: "off",
        "aria-label": "Value of the header", "data-lpignore": "true", onkeydown }),
      button("Add", add, {})),
    lineBelow(field, ids, field.help));
}

/** Send a header that is typed whole; half of one stays where it is. */
function sendHeader(view, form, row) {
  const [name, value] = row.querySelectorAll("input");
  const header = name.value.trim();
  if (!header || !value.value) return;
  sendSecret(view.model, value, "headers", { form: form.key, header });
  name.value = "";
}

/** What the inputs say, without any secret. */
function valuesOf(root) {
  const values = {};
  for (const control of root.querySelectorAll("[data-field]")) {
    const { field, part } = control.dataset;
    const said = control.type === "checkbox" ? control.checked : control.value;
    if (part) values[field] = { ...values[field], [part]: said };
    else values[field] = said;
  }
  return values;
}

/** Send what stands in the secret inputs, then the action: never the other way round. */
function submitForm(view, form, type, more = {}) {
  const { model, root } = view;
  for (const input of root.querySelectorAll("[data-secret]")) {
    sendSecret(model, input, input.dataset.secret, { form: form.key });
  }
  for (const row of root.querySelectorAll(".newheader")) sendHeader(view, form, row);
  const values = valuesOf(root);
  inOrder(model, () => view.send(type, { form: form.key, values, ...more }));
}

/** The buttons under the form, and what the step costs. */
function formButtons(view, form) {
  const test = (intent) => () => submitForm(view, form, "test", { intent });
  const busy = Boolean(form.busy);
  const failed = form.report && !form.report.ok && form.report.fix.length;
  const settled = form.origin && !failed;
  const main = form.read_only ? "Test" : form.origin ? "Test again" : "Test and save";
  return h("div", { class: "row wrap", key: "buttons" },
    button(main, test(isBrief(form) ? "session" : "save"), { key: "test",
      go: !settled && !failed && !form.doubts.length, "data-focus": "test", "data-main": "1",
      "aria-disabled": busy ? "true" : undefined }),
    !busy && !form.origin && !view.state.store.memory && button("Use for this session only", test("session"), { key: "session" }),
    !busy && form.origin === "session"
      && button("Save in the store", test("save"), { key: "save" }),
    h("span", { class: "s muted cost", key: "cost", role: "status" },
      busy ? [icon("busy"), ` ${form.busy}…`] : form.costs));
}

/** Whether the connection lasts for this session only, also after the next test. */
function isBrief(form) {
  return form.origin === "session" || form.origin === "demo";
}

/** Links and numbered steps: where an account, a key, an address comes from. */
function whereToFind(form) {
  if (!form.links.length && !form.steps.length) return null;
  return h("div", { class: "stack t guide" },
    form.steps.length > 0 && h("ol", {}, form.steps.map((step) => h("li", {}, step))),
    form.links.length > 0 && h("p", { class: "row wrap s" },
      form.links.map((each) => link(each.text, each.url))));
}

/** A key that looks like another provider's was not sent to anyone: say so, offer both ways. */
function doubtNote(view, form) {
  if (!form.doubts.length) return null;
  return h("div", { class: "callout warn stack t", key: "doubts", role: "alert" },
    h("div", { class: "note" }, icon("warn", "warn"),
      form.doubts.map((said) => h("p", { class: "b" }, said)),
      h("p", {}, "Nothing was sent."),
      h("div", { class: "row wrap act" },
        form.owners.map((owner) => button(`Use it for ${owner.title}`, () =>
          view.send("move", { form: form.key, kind: owner.kind }), { go: true })),
        button("Test it as it is", () =>
          submitForm(view, form, "test", { intent: form.intent, certain: true }), {}))));
}
