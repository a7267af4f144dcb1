// What a check found: the good news with models and prices, or what is wrong and what mends it.

function checkResult(view, form) {
  const { report } = form;
  return h("div", { class: "stack t result", key: "result", role: "status", "aria-live": "polite" },
    report && (report.ok ? goodNews(view, form, report) : badNews(view, form, report)),
    !report && form.said && note("ok", form.said, ""),
    modelTable(view, form));
}

function goodNews(view, form, report) {
  return [
    note("ok", form.said || report.title, [form.said ? `${report.title} ` : "", report.text,
      h("span", { class: "muted nw" }, seconds(report.seconds))]),
    report.hint && h("p", { class: "indent muted" }, report.hint),
    report.limit && note("warn", report.limit, "",
      h("p", { class: "muted" }, report.limit_text)),
    report.endings.map((end) => note("warn", "", [end.models.map((model, n) => [
      n === 0 ? "" : n === end.models.length - 1 ? " and " : ", ", h("code", {}, model)]),
    " ", end.text])),
    probeTable(report),
  ];
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
        fixes && button("Apply fix and test", () => view.send("fix", { form: form.key }),
          { go: true, key: "fix", "data-focus": "fix", "data-next": "1" }),
        form.may_keep && !form.said && button(form.intent === "session" ? "Use it anyway, this session"
          : "Save anyway", () => view.send("keep", { form: form.key }), { bare: true }),
        !form.may_keep && h("span", { class: "s muted" },
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
function probeTable(report) {
  if (!report.tried.length) return null;
  const schemaCell = (row) => {
    if (!row.accepted || !row.schema) return "–";
    return row.obeyed ? h("span", { class: "tone-ok" }, "= obeyed")
      : h("span", { class: "tone-warn b" }, "≠ ignored");
  };
  return table([{ text: "Form of the request" }, { text: "Server" },
    { text: "Schema", right: true }],
  report.tried.map((row) => ({ key: row.form, cells: [h("code", {}, row.form),
    [row.said, row.used && [" ", tag("used")]], schemaCell(row)] })),
  { caption: "Probe with a schema that only an enforcing server obeys", class: "flush probe" });
}

const FEW_MODELS = 5;

function modelTable(view, form) {
  const { rows } = form;
  if (!rows || !rows.length || !form.origin) return null;
  const open = `models:${form.key}`;
  const shown = view.ui[open] || rows.length <= FEW_MODELS + 1 ? rows : rows.slice(0, FEW_MODELS);
  const hidden = rows.length - shown.length;
  return [
    table([{ text: "Model" }, { text: "Reply" }, { text: "$ per 1M tokens, in / out", right: true },
      { text: "Note" }],
    shown.map((row) => ({ key: row.model, off: row.off, cells: [h("code", {}, row.model),
      row.reply, h("span", { class: "nw" }, row.price),
      h("span", { class: row.loud ? "tone-warn b" : "" }, row.note)] })),
    { class: "flush models" }),
    hidden > 0 && h("p", { class: "s" }, textButton(`Show ${hidden} more models`, () => {
      view.ui[open] = true;
      view.redraw();
    })),
  ];
}
