// The scoreboard: the verdict first, then shares with their intervals, pairs, fields.

const RIGHT_SCALE = { width: 144, pad: 4 };

function drawScoreboard(state, send, view) {
  const got = need(view, send, "scores", {}, () => true);
  if (!got) return waiting("Counting.");
  const grounded = need(view, send, "grounding", {}, () => true);
  const fields = got.fields.rows;
  const pairs = got.pairs.length > 0 || got.shared.length > 0;
  return [
    h("div", { class: "body stack x", key: "verdict" }, h("p", { class: "lw-verdict" }, got.verdict),
      drawMatters(got, send), got.beside.map((each) => h("p", { class: "muted" }, each))),
    h("div", { class: "lw-scroll", key: "table" }, drawScores(got, grounded)),
    (pairs || fields.length > 0) && h("div", { class: "cols lw-halves", key: "halves" },
      pairs && (got.scored ? drawPairs(got) : drawShared(got)), fields.length > 0 && drawByField(got, view)),
    h("footer", { key: "foot", class: "lw-low" }, h("p", { class: "s muted" }, got.foot,
      grounded && grounded.said && ` ${grounded.said}`)),
  ];
}

/** From which difference on it matters to the reader; the sentences follow. */
function drawMatters(got, send) {
  if (!got.matters) return null;
  return h("div", { class: "row wrap lw-matters", key: "matters" },
    h("label", { class: "row nw" }, h("span", {}, "A difference matters from"),
      h("input", { class: "in", type: "number", min: 0.1, max: 50, step: "any", key: "matters-points", 
        value: got.matters, rev: got.matters, "aria-label": "A difference matters from, fields in 100",
        onchange: (e) => send("matters", { points: e.target.value }) }),
      h("span", {}, "in 100")),
    h("span", { class: "muted", role: "status" }, got.needed));
}

function drawScores(got, grounded) {
  const [low, high] = got.scale;
  const { scored, agreed } = got;
  const ticks = h("span", { class: "lw-ticks" }, h("span", {}, low), h("span", {}, (low + high) / 2), h("span", {}, high));
  const placed = grounded && grounded.any;
  const wide = 6 + (scored ? 3 : agreed ? 1 : 0) + (placed ? 1 : 0);
  return h("table", { class: "lw-scores" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"),
      scored && [h("th", { scope: "col", class: "r nw" }, "% right"), h("th", { scope: "col", class: "lw-ci" }, ticks),
        h("th", { scope: "col", class: "lw-ci nw narrow-hide" }, "95 % interval")],
      agreed && h("th", { scope: "col", class: "r" }, "% the same as the others"),
      placed && h("th", { scope: "col", class: "r" }, "% not in the text"),
      h("th", { scope: "col", class: "r" }, "Valid"), h("th", { scope: "col" }, "Failures"),
      h("th", { scope: "col", class: "r nw" }, "p50 / p95, s"), h("th", { scope: "col", class: "r nw narrow-hide" }, "Tokens in / out"),
      h("th", { scope: "col", class: "r nw" }, "$ per 1,000"))),
    h("tbody", {}, got.groups.map((group) => [
      group.title && h("tr", { class: "group" }, h("td", { colspan: wide }, h("b", {}, group.title),
        group.more && ` ${group.more}`)),
      group.rows.map((row) => h("tr", { key: `score-${row.letter}` },
        h("th", { scope: "row" }, variantName(row), row.said && h("span", { class: "muted lw-said" }, row.said)),
        scored && [h("td", { class: "r" }, h("b", { class: "lw-big" }, row.right)),
          h("td", { class: "lw-ci" }, row.interval && intervalLine(row.interval, got.scale, RIGHT_SCALE)),
          h("td", { class: "lw-ci muted nw narrow-hide" }, row.range)],
        agreed && h("td", { class: "r nw" }, h("b", { class: "lw-big" }, row.agree), h("span", { class: "muted lw-under" }, row.agree_of)),
        placed && groundedCell(grounded.rows[row.letter]),
        h("td", { class: "r nw" }, row.valid),
        h("td", {}, row.failures ? [h("b", { class: "tone-fail" }, "! "), row.failures] : h("span", { class: "muted" }, "none")),
        h("td", { class: "r nw", title: row.waiting }, row.seconds,
          row.waiting && h("span", { class: "spoken" }, `, ${row.waiting}`)),
        h("td", { class: "r nw narrow-hide" }, row.tokens),
        h("td", { class: row.cost === "unknown" ? "r muted" : "r nw" }, row.cost)))])));
}

function groundedCell(row) {
  return h("td", { class: "r nw", title: row.title }, row.absent, h("span", { class: "spoken" }, `, ${row.title}`),
    row.copied && h("span", { class: row.loud ? "tone-inv lw-under" : "muted lw-under" }, row.copied));
}

/** A dot at the value and a line with end ticks; `interval` is [low, value, high] in the scale. */
function intervalLine(interval, [low, high], { width, pad, tall }, zero) {
  const x = (value) => pad + ((width - 2 * pad) * (Math.min(high, Math.max(low, value)) - low)) / (high - low || 1);
  const [from, value, to] = interval;
  return h("svg:svg", { class: "ci", viewBox: `0 0 ${width} 16`, width, height: 16, role: "img",
    "aria-label": from === null ? `${value}` : `${value}, ${from} to ${to}` },
  zero === undefined ? h("svg:path", { class: "ax", d: `M${pad} 8H${width - pad}` })
    : h("svg:path", { class: "zero", d: `M${x(0)} -6v${tall ? 43 : 29}` }),
  from !== null && h("svg:path", { class: "iv", d: `M${x(from)} 8H${x(to)}M${x(from)} 5v6M${x(to)} 5v6` }),
  h("svg:circle", { class: "pt", cx: x(value), cy: 8, r: 4 }));
}

function pairName(pair) {
  return h("th", { scope: "row", class: "nw" }, letter(pair.a), " − ", letter(pair.b),
    h("span", { class: "spoken" }, `${pair.a} minus ${pair.b}`));
}

function drawPairs(got) {
  return h("div", { class: "body stack t", key: "pairs" }, h("h3", {}, "In pairs"),
    h("div", { class: "lw-scroll" }, h("table", { class: "flush lw-pairs" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Models"), h("th", { class: "r", scope: "col" }, "Points"),
        h("th", { scope: "col" }, h("span", { class: "spoken" }, "Interval")), h("th", { class: "nw", scope: "col" }, "95 % interval"),
        h("th", { scope: "col" }, "Verdict"))),
      h("tbody", {}, got.pairs.map((pair) => h("tr", {}, pairName(pair),
        h("td", { class: "r" }, pair.points),
        h("td", {}, intervalLine(pair.interval, got.pair_scale, { width: 132, pad: 6, tall: pair.needed }, 0)),
        h("td", { class: "muted nw" }, pair.range),
        h("td", {}, h(pair.certain ? "b" : "span", { class: pair.certain ? "" : "muted" }, pair.verdict),
          pair.needed && h("span", { class: "muted lw-under", title: `To show ${got.matters} in 100 four times in five` },
            pair.needed))))))));
}

/** Without truth: how far each two models say the same. */
function drawShared(got) {
  return h("div", { class: "body stack t", key: "pairs" }, h("h3", {}, "In pairs"),
    h("table", { class: "flush lw-pairs" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Models"), h("th", { class: "r", scope: "col" }, "% the same"),
        h("th", { scope: "col" }, h("span", { class: "spoken" }, "Bar")), h("th", { class: "r", scope: "col" }, "Values"))),
      h("tbody", {}, got.shared.map((pair) => h("tr", {},
        h("th", { scope: "row", class: "nw" }, letter(pair.a), " = ", letter(pair.b),
          h("span", { class: "spoken" }, `${pair.a} and ${pair.b}`)),
        h("td", { class: "r" }, pair.share),
        h("td", { class: "lw-wide-bar" }, h("span", { class: "lw-tick" }, h("i", { style: `width:${Number(pair.share)}%` }))),
        h("td", { class: "r muted" }, pair.of))))));
}
