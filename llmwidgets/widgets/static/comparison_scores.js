// The scoreboard: the verdict first, then shares with their intervals, pairs, fields.

const RIGHT_SCALE = { width: 144, pad: 4 };

function drawScoreboard(state, send, view) {
  const got = need(view, send, "scores", {}, () => true);
  if (!got) return waiting("Counting.");
  return [
    h("div", { class: "body stack x", key: "verdict" }, h("p", { class: "lw-verdict" }, got.verdict),
      got.beside.map((each) => h("p", { class: "muted" }, each))),
    h("div", { class: "lw-scroll", key: "table" }, drawScores(got)),
    (got.pairs.length > 0 || got.fields.length > 0) && h("div", { class: "cols lw-halves", key: "halves" },
      got.pairs.length > 0 && drawPairs(got), got.fields.length > 0 && drawByField(got, view)),
    h("footer", { key: "foot", class: "lw-low" }, h("p", { class: "s muted" }, got.foot)),
  ];
}

function drawScores(got) {
  const [low, high] = got.scale;
  const scored = got.scored;
  const ticks = h("span", { class: "lw-ticks" }, h("span", {}, low), h("span", {}, (low + high) / 2), h("span", {}, high));
  return h("table", { class: "lw-scores" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"),
      scored && [h("th", { scope: "col", class: "r nw" }, "% right"), h("th", { scope: "col", class: "lw-ci" }, ticks),
        h("th", { scope: "col", class: "lw-ci nw narrow-hide" }, "95 % interval")],
      h("th", { scope: "col", class: "r" }, "Valid"), h("th", { scope: "col" }, "Failures"),
      h("th", { scope: "col", class: "r nw" }, "p50 / p95, s"), h("th", { scope: "col", class: "r nw narrow-hide" }, "Tokens in / out"),
      h("th", { scope: "col", class: "r nw" }, "$ per 1,000"))),
    h("tbody", {}, got.groups.map((group) => [
      group.title && h("tr", { class: "group" }, h("td", { colspan: scored ? 9 : 6 }, h("b", {}, group.title),
        group.more && ` ${group.more}`)),
      group.rows.map((row) => h("tr", {},
        h("th", { scope: "row" }, variantName(row), row.said && h("span", { class: "muted lw-said" }, row.said)),
        scored && [h("td", { class: "r" }, h("b", { class: "lw-big" }, row.right)),
          h("td", { class: "lw-ci" }, row.interval && intervalLine(row.interval, got.scale, RIGHT_SCALE)),
          h("td", { class: "lw-ci muted nw narrow-hide" }, row.range)],
        h("td", { class: "r nw" }, row.valid),
        h("td", {}, row.failures ? [h("b", { class: "tone-fail" }, "! "), row.failures] : h("span", { class: "muted" }, "none")),
        h("td", { class: "r nw" }, row.seconds), h("td", { class: "r nw narrow-hide" }, row.tokens),
        h("td", { class: row.cost === "unknown" ? "r muted" : "r nw" }, row.cost)))])));
}

/** A dot at the value and a line with end ticks; `interval` is [low, value, high] in the scale. */
function intervalLine(interval, [low, high], { width, pad }, zero) {
  const x = (value) => pad + ((width - 2 * pad) * (Math.min(high, Math.max(low, value)) - low)) / (high - low || 1);
  const [from, value, to] = interval;
  return h("svg:svg", { class: "ci", viewBox: `0 0 ${width} 16`, width, height: 16, role: "img",
    "aria-label": from === null ? `${value}` : `${value}, ${from} to ${to}` },
  zero === undefined ? h("svg:path", { class: "ax", d: `M${pad} 8H${width - pad}` })
    : h("svg:path", { class: "zero", d: `M${x(0)} -6v29` }),
  from !== null && h("svg:path", { class: "iv", d: `M${x(from)} 8H${x(to)}M${x(from)} 5v6M${x(to)} 5v6` }),
  h("svg:circle", { class: "pt", cx: x(value), cy: 8, r: 4 }));
}

function drawPairs(got) {
  return h("div", { class: "body stack t", key: "pairs" }, h("h3", {}, "In pairs"),
    h("div", { class: "lw-scroll" }, h("table", { class: "flush lw-pairs" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Models"), h("th", { class: "r", scope: "col" }, "Points"),
        h("th", { scope: "col" }, h("span", { class: "spoken" }, "Interval")), h("th", { class: "nw", scope: "col" }, "95 % interval"),
        h("th", { scope: "col" }, "Verdict"))),
      h("tbody", {}, got.pairs.map((pair) => h("tr", {},
        h("th", { scope: "row", class: "nw" }, letter(pair.a), " − ", letter(pair.b),
          h("span", { class: "spoken" }, `${pair.a} minus ${pair.b}`)),
        h("td", { class: "r" }, pair.points),
        h("td", {}, intervalLine(pair.interval, got.pair_scale, { width: 132, pad: 6 }, 0)),
        h("td", { class: "muted nw" }, pair.range),
        h("td", {}, h(pair.certain ? "b" : "span", { class: pair.certain ? "" : "muted" }, pair.verdict))))))));
}

function drawByField(got, view) {
  const all = view.ui.open.byField;
  const rows = all ? got.fields : got.fields.slice(0, 8);
  return h("div", { class: "body stack t", key: "fields" }, h("h3", {}, "By field"),
    h("table", { class: "flush lw-byfield" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "% right, hardest first"),
        got.order.map((each) => h("th", { class: "r", scope: "col" }, letter(each), h("span", { class: "spoken" }, each))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { class: "m", scope: "row" }, row.name),
        row.shares.map((share) => h("td", { class: "r" }, share === null ? h("span", { class: "muted" }, "–")
          : [h(share === row.least && row.least < row.most ? "b" : "span", {}, Math.round(share)),
            h("span", { class: "lw-tick" }, h("i", { style: `width:${share}%` }))])))))),
    got.fields.length > rows.length && textButton(`Show ${got.fields.length - rows.length} more`, () => {
      view.ui.open.byField = true;
      view.redraw();
    }, { key: "more-by-field" }));
}
