// What a check found: the good news with models and prices, or what is wrong and what mends it.

function checkResult(view, form) {
  const { report } = form;
  return [
    h("div", { class: "stack t result", key: "result", role: "status", "aria-live": "polite" },
      report && (report.ok ? goodNews(view, form, report) : badNews(view, form, report)),
      !report && form.said && note("ok", form.said, ""),
      form.endings.map((end) => note("warn", "", [end.models.map((model, n) => [
        n === 0 ? "" : n === end.models.length - 1 ? " and " : ", ", h("code", {}, model)]),
      " ", end.text, end.successor && [" ", h("code", {}, end.successor), " replaces it."]])),
      report && report.notes.map((said) => note("warn", "", said)),
      form.mode && modeNote(form.mode)),
    probeTable(form),
    modelTable(view, form),
    listedModels(view, form),
    offWhitelist(view, form),
    requestsFold(view, form),
  ];
}

function goodNews(view, form, report) {
  return [
    note("ok", form.said || report.title, [form.said ? `${report.title} ` : "", report.text,
      h("span", { class: "muted nw" }, seconds(report.seconds))]),
    report.hint && h("p", { class: "indent muted" }, report.hint),
  ];
}

/** What the server was seen to do with a schema. */
function modeNote(mode) {
  return note(mode.icon, mode.sentence, "", mode.text && h("p", { class: "muted" }, mode.text));
}

function seconds(said) {
  if (!said) return "";
  return said < 0.1 ? " under 0.1 s" : ` ${said < 10 ? said.toFixed(1) : Math.round(said)} s`;
}

function badNews(view, form, report) {
  const fixes = report.fix.length > 0;
  const kept = form.said && note("info", form.said, "");
  return [kept, h("div", { class: "callout fail stack t", key: "failed", role: "alert" },
    h("div", { class: "note" }, icon("fail", "fail"), h("h3", {}, report.title.replace(/\.$/, "")),
      report.text && h("p", {}, report.text),
      report.hint && h("p", {}, report.hint),
      fixes && h("div", { class: "swap" }, report.fix.flatMap((each) => [
        h("span", { class: "k" }, each.label),
        h("span", {}, h("span", { class: "old" }, each.old), " → ",
          h("span", { class: "new" }, each.new))])),
      h("div", { class: "row wrap act" },
        form.refused && form.refused.allow && form.may_allow
          && button(`Allow ${form.refused.model} for this organization`, () => view.send("allow",
            { form: form.key, model: form.refused.model }), { go: true, key: "allow" }),
        fixes && button("Apply fix and test", () => view.send("fix", { form: form.key }),
          { go: true, key: "fix", "data-focus": "fix", "data-next": "1" }),
        form.may_keep && !form.said && button(form.intent === "session" ? "Use it anyway, this session"
          : "Save anyway", () => view.send("keep", { form: form.key }), { bare: true }),
        !form.may_keep && !form.read_only && h("span", { class: "s muted" },
          "The connection that worked is kept as it was."),
        h("span", { class: "grow" }),
        h("span", { class: "s muted nw" }, report.code, report.code && report.details.length
          ? " · " : "", report.details.length > 0 && textButton(
          view.ui.details ? "less" : "details", () => {
            view.ui.details = !view.ui.details;
            view.redraw();
          }, { "aria-expanded": String(Boolean(view.ui.details)) }))),
      view.ui.details && h("dl", { class: "details s" }, report.details.flatMap(([name, said]) =>
        [h("dt", { class: "muted" }, name), h("dd", { class: "m" }, said)]))))];
}

/** What the server did with each form of the request. */
function probeTable(form) {
  if (!form.mode || !form.mode.tried.length) return null;
  const schemaCell = (row) => {
    if (!row.accepted || !row.schema) return "–";
    return row.obeyed ? h("span", { class: "tone-ok" }, "= obeyed")
      : h("span", { class: "tone-warn b" }, "≠ ignored");
  };
  return h("div", { key: "probe" }, table([{ text: "Form of the request" }, { text: "Server" },
    { text: "Schema", right: true }],
  form.mode.tried.map((row) => ({ key: row.form, cells: [h("code", {}, row.form),
    [row.said, row.used && [" ", tag("used")]], schemaCell(row)] })),
  { caption: "Probe with a schema that only an enforcing server obeys", class: "flush probe" }));
}

const FEW_MODELS = 5;

function modelTable(view, form) {
  const { rows } = form;
  if (!rows || !rows.length || !form.origin) return null;
  const open = `models:${form.key}`;
  const shown = view.ui[open] || rows.length <= FEW_MODELS + 1 ? rows : rows.slice(0, FEW_MODELS);
  const hidden = rows.length - shown.length;
  const allow = (row) => row.allow && form.may_allow && [" ", textButton("Allow", () =>
    view.send("allow", { form: form.key, model: row.model }),
  { "aria-label": `Allow ${row.model} for this organization` })];
  return h("div", { key: "models" },
    table([{ text: "Model" }, { text: "Reply" }, { text: "$ per 1M tokens, in / out", right: true },
      { text: "Note" }],
    shown.map((row) => ({ key: row.model, off: row.off, cells: [h("code", {}, row.model),
      row.reply, h("span", { class: "nw" }, row.price),
      [h("span", { class: row.loud ? "tone-warn b" : "" }, row.note), allow(row)]] })),
    { class: "flush models" }),
    hidden > 0 && h("p", { class: "s more" }, textButton(`Show ${hidden} more models`, () => {
      view.ui[open] = true;
      view.redraw();
    })),
    h("p", { class: "s muted" }, form.facts_of));
}

const MOST_TICKED = 12;

/** Other models of a Custom server, to be connected together; the user ticks which. */
function listedModels(view, form) {
  const { listed } = form;
  if (!listed.length) return form.added && note("ok", "", form.added);
  const key = `ticked:${form.key}`;
  const ticked = view.ui[key] || (view.ui[key] = new Set(
    listed.length <= MOST_TICKED ? listed : []));
  const chosen = listed.filter((model) => ticked.has(model));
  const set = (models, on) => {
    for (const model of models) {
      if (on) ticked.add(model);
      else ticked.delete(model);
    }
    view.redraw();
  };
  const add = () => view.send("add_listed", { form: form.key, models: chosen });
  return h("div", { class: "stack t", key: "listed" },
    form.added && note("ok", "", form.added),
    h("div", { class: "row wrap" },
      h("h3", {}, `This server lists ${listed.length} more ${plural(listed, "model")}`),
      h("span", { class: "grow" }),
      listed.length > 1 && textButton(chosen.length === listed.length ? "Untick all" : "Tick all",
        () => set(listed, chosen.length !== listed.length))),
    h("ul", { class: "ticks", "aria-label": "Models that this server lists" }, listed.map((model) =>
      h("li", { key: model }, choice(h("code", {}, model), ticked.has(model),
        (on) => set([model], on))))),
    h("div", { class: "row wrap" },
      button(chosen.length ? `Add ${chosen.length} ${plural(chosen, "model")}` : "Add models", add,
        { disabled: !chosen.length, key: "add" }),
      h("span", { class: "s muted" }, form.origin === "store"
        ? "Saved beside this one, with the same key if there is one; none is called now."
        : "For this session, with the same key if there is one; none is called now.")));
}

function plural(all, word) {
  return all.length === 1 ? word : `${word}s`;
}

/** Models that the key may use and the whitelist does not hold. */
function offWhitelist(view, form) {
  const models = form.off_whitelist;
  if (!models.length || !form.may_allow || !form.origin) return null;
  return h("details", { class: "folded", key: "off" },
    h("summary", {}, icon("right"), h("span", {},
      `${models.length} more ${plural(models, "model")} that this key can use`),
    h("span", { class: "muted" }, "not on the whitelist")),
    h("ul", { class: "inside ticks" }, models.map((model) => h("li", { key: model, class: "row" },
      h("code", { class: "grow" }, model), textButton("Allow for this organization", () =>
        view.send("allow", { form: form.key, model }), { "aria-label":
          `Allow ${model} for this organization` })))));
}

/** What was sent, secrets cut, and the same as a command line. */
function requestsFold(view, form) {
  const { shown, before } = form.requests;
  if (!shown.length) return null;
  const copy = async (each, key) => {
    const done = await copied(each.curl);
    view.ui.curl = { key, said: done ? "Copied. $KEY stands for the key." : "Select and copy it." };
    view.redraw();
  };
  const words = { title: shown.length + before === 1 ? "Request" : `${shown.length + before} requests` };
  return h("details", { class: "folded", key: `requests:${form.key}` },
    h("summary", {}, icon("right"), h("span", {}, words.title),
      h("span", { class: "muted" }, "of this test, secrets cut")),
    h("div", { class: "inside stack" },
      before > 0 && h("p", { class: "s muted" }, `The last ${shown.length} of them.`),
      shown.map((each, n) => {
        const key = `${n}:${each.line}`;
        const curl = view.ui.curl?.key === key && view.ui.curl;
        return h("div", { class: "stack x", key },
          h("div", { class: "row wrap" }, h("code", { class: "grow wire-line" }, each.line),
            button("Copy as curl", () => copy(each, key), { small: true, "aria-label":
              `Copy as curl: ${each.line}` })),
          h("pre", { class: "wire", tabindex: 0 }, curl ? each.curl : each.text),
          curl && h("p", { class: "s muted", role: "status" }, curl.said));
      })));
}
