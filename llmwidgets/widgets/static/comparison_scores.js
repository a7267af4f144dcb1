// The scoreboard: the verdict first, then shares with their intervals, pairs, fields.

const LEADING = ["Precision", "Recall", "F1"];
const RIGHT_SCALE = { width: 112, pad: 4 };
/** From more models on, the table of fields needs the whole width. */
const SIDE_BY_SIDE = 5;

function drawScoreboard(state, send, view) {
  const got = need(view, send, "scores", {}, () => true);
  if (!got) return waiting("Counting.");
  const grounded = need(view, send, "grounding", {}, () => true);
  const fields = got.fields.rows;
  const pairs = got.pairs.length > 0 || got.shared.length > 0;
  const notes = [...got.foot, grounded && grounded.said].filter(Boolean);
  return [
    drawVerdict(got, state, send, view),
    h("div", { class: "lw-scroll", key: "table" }, drawScores(got, grounded, view)),
    got.scored && drawFold(got, grounded && grounded.any, view),
    h("footer", { key: "foot", class: "lw-low lw-foot" },
      got.foretold && got.foretold !== got.more && got.outcome === "not_enough_texts" && h("div", { class: "note s" }, icon("warn", "warn"),
        h("p", {}, h("b", {}, "The panel said so before the run. "), h("span", { class: "muted" }, `“${got.foretold}”`))),
      h("p", { class: "s muted" }, got.band && h("span", { class: hasLeading(got) ? "narrow-hide" : undefined },
        h("span", { class: "lw-key", "aria-hidden": "true" }),
        ` within ${got.matters || trimmed(got.band[1] - got.band[0])} of ${got.best}. `), notes.join(" ")),
      got.beside.map((each) => h("p", { class: "s muted" }, each))),
    (pairs || fields.length > 0) && h("div", { class: `cols lw-halves${got.order.length > SIDE_BY_SIDE ? " lw-stacked" : ""}`, key: "halves" },
      pairs && (got.scored ? drawPairs(got) : drawShared(got)), fields.length > 0 && drawByField(got, view)),
  ];
}

/** Where the page is narrow, or the table leads with three more figures, the columns that decide
    nothing stand behind a link, which names them. */
function drawFold(got, placed, view) {
  const names = [hasRows(got) && "rows of lists", placed && "what is not in the text", "valid replies", "seconds"].filter(Boolean);
  const said = `${names.join(", ")} and tokens`;
  const count = names.length + 1;
  return h("p", { class: `${hasLeading(got) ? "" : "lw-only "}lw-more s muted`, key: "more" }, `${said[0].toUpperCase()}${said.slice(1)}: `,
    textButton(view.ui.wide ? `Hide ${count} columns` : `Show ${count} more columns`, () => {
      view.ui.wide = !view.ui.wide;
      view.redraw();
    }, { key: "more-columns", "aria-expanded": String(Boolean(view.ui.wide)) }));
}

function hasLeading(got) {
  return got.groups.some((group) => group.rows.some((row) => row.leading.length > 0));
}

function hasRows(got) {
  return got.groups.some((group) => group.rows.some((row) => row.rows));
}

/** Small parts of a list in words, each on a line of its own. */
function pieces(words) {
  return words.split(", ").map((each) => h("span", { class: "muted nw lw-under" }, each));
}

function trimmed(value) {
  return String(Number(value.toFixed(1)));
}

// ---- the verdict ---------------------------------------------------------------------------------

/** A sign for each outcome: the shape is enough without colour. */
const OUTCOMES = { better: ["ok", ">"], as_good_and_cheaper: ["ok", "≈"], not_enough_texts: ["warn", "?"] };

function drawVerdict(got, state, send, view) {
  const [tone, sign] = OUTCOMES[got.outcome] || [];
  const open = got.outcome === "not_enough_texts";
  const way = open && drawWayOn(got, state, send, view);
  return h("div", { class: `body lw-outcome${open ? " open" : sign ? " settled" : ""}`, key: "verdict" },
    sign && h("span", { class: `lw-sign tone-${tone}`, "aria-hidden": "true" }, sign),
    h("div", { class: "stack t" },
      h("div", { class: "stack x" }, h("p", { class: "lw-verdict" }, got.headline),
        got.details && h("p", { class: "muted lw-details" }, got.details)),
      way && h("div", { class: "row wrap", key: "way-on" }, way, h("span", { class: "s muted", role: "status" }, got.more)),
      (got.matters || (!way && got.more)) && h("div", { class: "row wrap lw-matters", key: "matters" }, got.matters && drawMatters(got.matters, send),
        !way && h("span", { class: "muted", role: "status" }, got.more))));
}

/** From which difference on it matters to the reader; the sentences follow. */
function drawMatters(points, send) {
  return h("label", { class: "row nw" }, h("span", {}, "A difference matters from"),
    h("input", { class: "in", type: "number", min: 0.1, max: 50, step: "any", key: "matters-points",
      value: points, rev: points, "aria-label": "A difference matters from, fields in 100",
      onchange: (e) => send("matters", { points: e.target.value }) }),
    h("span", {}, "in 100"));
}

/** What would settle it: to label texts that are there, else to come back with more. */
function drawWayOn(got, state, send, view) {
  const label = () => {
    Object.assign(view.ui.filter, { only: "unlabelled", states: [], field: "", query: "" });
    view.ui.tab = "differences";
    view.redraw();
    if (view.grid) view.grid.ask();
    view.grid?.root.focus();
  };
  if (got.unlabelled > 0) {
    return button("Label more texts", label, { go: true, key: "label-more",
      title: `Shows the ${got.unlabelled} texts without truth` });
  }
  return state.again === "Start over" && button("Add texts", () => send("again"), { go: true, key: "add-texts",
    title: "Back to models, fields and texts" });
}

/** Words of a head that stay on one line. */
function whole(words) {
  return words.replace(/Worse than|the \w+ by,?|at most|95 % interval|of the|that came|of lists|% not in|the text|in \/ out|\$ per|\/ paid now/g,
    (part) => part.replaceAll(" ", "\u00a0"));
}

// ---- the table -----------------------------------------------------------------------------------

function drawScores(got, grounded, view) {
  const { scored, agreed } = got;
  const placed = grounded && grounded.any;
  const leading = hasLeading(got);
  const paid = got.groups.some((group) => group.rows.some((row) => row.paid));
  const lists = hasRows(got);
  const fold = !scored || view.ui.wide ? "" : leading ? " lw-folded" : " narrow-hide";
  const thin = leading ? " narrow-hide" : "";
  const head = (words, more = "r", extra) => h("th", { scope: "col", class: more }, whole(words), extra);
  const heads = [
    h("th", { scope: "col" }, "Model"),
    leading && LEADING.map((name) => head(`${name}, %`, "r lw-thin")),
    scored && [head("% right", "r nw"), h("th", { scope: "col", class: `lw-ci${thin}` }, drawTicks(got.scale),
      h("span", { class: "spoken" }, "95 % interval")), head("of the replies that came", `r lw-thin${thin}`), head("Loses", "")],
    got.worse && head(got.worse, "r lw-thin"),
    lists && head("Rows of lists right", `r lw-thin${fold}`),
    agreed && head("% the same as the others"),
    placed && head("% not in the text", `r lw-thin${fold}`),
    head("Valid", `r${fold}`),
    !scored && head("Failures", ""),
    head("p50 / p95, s", `r nw${fold}`),
    head("Tokens in / out", `r${scored ? fold : " narrow-hide"}`),
    head(paid ? "$ per 1,000 / paid now" : "$ per 1,000", "r lw-thin"),
  ].flat().filter(Boolean);
  return h("table", { class: "lw-scores" }, h("thead", {}, h("tr", {}, heads)),
    got.groups.map((group) => h("tbody", { key: `group-${group.title}${group.more}` },
      group.title && h("tr", { class: "group" }, h("th", { scope: "rowgroup", colspan: heads.length }, h("b", {}, group.title), group.more)),
      group.rows.map((row) => h("tr", { key: `score-${row.letter}`, class: row.recommended ? "best" : undefined },
        h("th", { scope: "row" }, variantName(row), row.said && h("span", { class: "muted lw-said" }, row.said),
          row.recommended && h("span", { class: "lw-rec" }, icon("ok"), "recommended")),
        leading && LEADING.map((_, n) => h("td", { class: "r" }, h("b", { class: "lw-big" }, row.leading[n] || "–"))),
        scored && scoredCells(row, got, thin),
        got.worse && twoLines(row.worse, row.bound, row.recommended ? "lw-strong" : ""),
        lists && h("td", { class: `r${fold}` }, h("span", { class: "nw" }, row.rows || "–"),
          row.other_rows && pieces(row.other_rows)),
        agreed && h("td", { class: "r nw" }, h("b", { class: "lw-big" }, row.agree), h("span", { class: "muted lw-under" }, row.agree_of)),
        placed && groundedCell(grounded.rows[row.letter], fold),
        h("td", { class: `r${fold}` }, h("span", { class: "nw" }, row.valid), scored && row.failed && pieces(row.failed)),
        !scored && h("td", {}, row.failures ? [h("b", { class: "tone-fail" }, "! "), row.failures] : h("span", { class: "muted" }, "none")),
        h("td", { class: `r nw${fold}`, title: row.waiting }, row.seconds,
          row.waiting && h("span", { class: "spoken" }, `, ${row.waiting}`),
          row.late && h("span", { class: "muted lw-under" }, row.late)),
        h("td", { class: `r${scored ? fold : " narrow-hide"}` }, row.tokens[0] === "unknown" && row.tokens[1] === "unknown"
          ? h("span", { class: "muted" }, "unknown")
          : [h("span", { class: "nw" }, row.tokens[0]), h("span", { class: "muted nw lw-under" }, `/ ${row.tokens[1]}`)]),
        h("td", { class: row.cost === "unknown" ? "r muted" : "r nw" }, row.cost,
          row.paid && h("span", { class: "muted nw lw-under" }, `/ ${row.paid}`)))))));
}

function drawTicks([low, high]) {
  return h("span", { class: "lw-ticks", "aria-hidden": "true" }, h("span", {}, low), h("span", {}, (low + high) / 2), h("span", {}, high));
}

function scoredCells(row, got, thin) {
  const lost = row.loses && !row.loses.startsWith("0 ");
  const [count, most] = row.loses.split(", ");
  return [
    h("td", { class: "r" }, h("b", { class: "lw-big" }, row.right)),
    h("td", { class: `lw-ci${thin}` }, row.interval && intervalLine(row.interval, got.scale, { ...RIGHT_SCALE, band: got.band }),
      h("span", { class: "muted nw lw-range" }, row.range)),
    h("td", { class: `r${thin}` }, row.came),
    h("td", { class: "lw-loses" }, row.loses ? [h("span", { class: "nw" }, lost && h("b", { class: "tone-fail" }, "! "), `${count},`), " ",
      h("span", { class: "nw" }, most)] : h("span", { class: "muted" }, "–"),
    row.lost && h("span", { class: "muted lw-below" }, row.lost),
    row.unanswered && h("span", { class: "lw-below" }, h("b", { class: "tone-fail" }, "! "), row.unanswered)),
  ];
}

function twoLines(figure, under, more) {
  const plain = figure === "–" || figure === "unknown";
  return h("td", { class: "r" }, h("span", { class: plain ? "muted" : more }, figure),
    under && h("span", { class: "muted lw-below nw" }, under));
}

function groundedCell(row, fold) {
  return h("td", { class: `r nw${fold}`, title: row.title }, row.absent, h("span", { class: "spoken" }, `, ${row.title}`),
    row.copied && h("span", { class: row.loud ? "tone-inv lw-under" : "muted lw-under" }, row.copied));
}

/** A dot at the value and a line with end ticks; `interval` is [low, value, high] in the scale. The
    `band` behind it is what lies near enough to the best. */
function intervalLine(interval, [low, high], { width, pad, tall, band }, zero) {
  const x = (value) => pad + ((width - 2 * pad) * (Math.min(high, Math.max(low, value)) - low)) / (high - low || 1);
  const [from, value, to] = interval;
  return h("svg:svg", { class: "ci", viewBox: `0 0 ${width} 16`, width, height: 16, role: "img",
    "aria-label": `${from === null ? value : `${value}, ${from} to ${to}`}${band ? `; the margin goes from ${band[0]} to ${band[1]}` : ""}` },
  band && h("svg:rect", { class: "mg", x: x(band[0]), y: -8, width: x(band[1]) - x(band[0]), height: 32 }),
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
  return h("div", { class: "body stack t", key: "pairs" }, h("div", {}, h("h3", {}, "In pairs"),
    h("p", { class: "s muted" }, got.pairs_said)),
    h("div", { class: "lw-scroll" }, h("table", { class: "flush lw-pairs" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Models"), h("th", { class: "r", scope: "col" }, "Points"),
        h("th", { scope: "col" }, h("span", { class: "spoken" }, "Interval")), h("th", { class: "nw", scope: "col" }, "95 % interval"),
        h("th", { scope: "col" }, "Verdict"))),
      h("tbody", {}, got.pairs.map((pair) => h("tr", {}, pairName(pair),
        h("td", { class: "r" }, pair.points),
        h("td", {}, pair.interval && intervalLine(pair.interval, got.pair_scale, { width: 132, pad: 6, tall: pair.needed }, 0)),
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
