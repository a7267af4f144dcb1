// While it runs: how far each variant is, who waits for what, what it cost, and Stop.

function drawRunning(state, send, view) {
  const run = state.running;
  return [
    h("header", { key: "head" }, h("h2", {}, "Comparison"), h("b", {}, run.status),
      h("span", { class: "s muted", role: "status" }, run.said), h("span", { class: "grow" }),
      run.again && button(run.again, () => send("again"), { bare: true, key: "again" }),
      run.show && button(run.show, () => send("show"), { key: "show", "data-main": "" }),
      run.resume && button(run.resume, () => send("resume"), { go: true, key: "resume", "data-next": "" }),
      run.stop && button(run.stop, () => send("stop"), { key: "stop", disabled: run.stopping, "data-next": "" })),
    alertLine(state.error),
    run.note && h("div", { class: "body", key: "note" }, note("warn", run.note.sentence, run.note.hint)),
    h("div", { class: "lw-scroll", key: "runs" }, h("table", { class: "lw-runs" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"), h("th", { scope: "col", colspan: 2 }, "Replies"),
        ["Not valid", "Median", "Cost"].map((each) => h("th", { scope: "col", class: "r" }, each)),
        h("th", { scope: "col", class: "lw-now" }, "Now"))),
      h("tbody", {}, run.columns.map((each) => drawProgress(each))))),
    h("footer", { key: "foot" }, h("p", { class: "s muted" }, run.foot), h("span", { class: "grow" }),
      run.differences && button(["Differences so far ", h("b", {}, run.differences)], () => send("show"),
        { small: true, key: "so-far" })),
  ];
}

function drawProgress(each) {
  const share = (part) => `width:${each.total ? (100 * part) / each.total : 0}%`;
  return h("tr", { key: `run-${each.letter}` },
    h("th", { scope: "row" }, variantName(each)),
    h("td", { class: "p" }, h("div", { class: "bar", role: "progressbar", "aria-label": `${each.letter}, ${each.label}`,
      "aria-valuemin": 0, "aria-valuemax": each.total, "aria-valuenow": each.done + each.failed },
    h("i", { style: share(each.done) }), h("i", { class: "x", style: share(each.failed) }))),
    h("td", { class: "r nw" }, each.count),
    h("td", { class: each.failed ? "r nw tone-fail b" : "r" }, each.failed ? `! ${each.failed}` : "0"),
    h("td", { class: "r nw" }, each.median),
    h("td", { class: each.cost === "unknown" ? "r muted" : "r nw" }, each.cost),
    h("td", {}, h("span", { class: `row top tone-${each.now.tone}` },
      each.now.icon && icon(each.now.icon), h("span", {}, each.now.text))));
}
