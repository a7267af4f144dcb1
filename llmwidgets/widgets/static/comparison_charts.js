// Quality against cost and against time: points named directly, unknown prices in a place of their own.

const CHART = { width: 470, height: 252, left: 48, right: 462, top: 24, bottom: 204, box: 16 };

function drawCharts(state, send, view) {
  const got = need(view, send, "scores", {}, () => true);
  if (!got) return waiting("Counting.");
  if (!got.scored) {
    return [h("div", { class: "body stack t", key: "charts" }, h("h3", {}, "No quality to draw"),
      h("p", { class: "muted" }, "None of these texts has truth. With truth, this shows the share of fields right against cost and time.")),
    drawFieldsByVariant(got, view)];
  }
  return [h("div", { class: "cols lw-halves lw-even", key: "charts" },
    h("div", { class: "body stack t" }, h("div", {}, h("h3", {}, "Quality against cost"),
      h("p", { class: "s muted" }, "% of fields right, with 95 % interval. ", chartKey(got))), costChart(got)),
    h("div", { class: "body stack t" }, h("div", {}, h("h3", {}, "Quality against time"),
      h("p", { class: "s muted" }, "% of fields right; boxes moved a little where they would overlap")), timeChart(got))),
  drawFieldsByVariant(got, view)];
}

/** What the band and the tick mean, in words. */
function chartKey(got) {
  if (!got.band) return null;
  const chosen = got.points.some((each) => each.recommended);
  return [h("span", { class: "lw-key", "aria-hidden": "true" }),
    ` within ${trimmed(got.band[1] - got.band[0])} of ${got.best}${chosen ? "; ✓ recommended" : ""}`];
}

function yOf(got) {
  const [low, high] = got.scale;
  return (value) => CHART.bottom - ((CHART.bottom - CHART.top) * (value - low)) / (high - low || 1);
}

function chartFrame(got, right, extra, label, ...children) {
  const [low, high] = got.scale;
  const y = yOf(got);
  const steps = [];
  for (let value = low; value <= high; value += got.step) steps.push(value);
  const top = got.band && y(got.band[1]);
  return h("svg:svg", { viewBox: `0 0 ${CHART.width} ${CHART.height}`, width: "100%", role: "img", "aria-label": label, class: "lw-chart" },
    got.band && h("svg:rect", { class: "mg", x: CHART.left, y: top, width: CHART.right - CHART.left, height: y(got.band[0]) - top }),
    steps.map((value) => [
      h("svg:path", { class: "ax", d: `M${CHART.left} ${y(value)}H${right}${extra ? `M${right + 12} ${y(value)}H${CHART.right}` : ""}` }),
      h("svg:text", { class: "mu", x: CHART.left - 8, y: y(value) + 4, "text-anchor": "end" }, value)]), children);
}

/** Round steps of a log scale around the values: 1, 2, 5 within a decade where it is narrow. */
function logScale(values, from, to) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const marks = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power += 1) {
    for (const each of [1, 2, 5]) marks.push(each * 10 ** power);
  }
  const start = marks.filter((mark) => mark <= low * 0.9).pop();
  const end = marks.find((mark) => mark >= high * 1.1);
  const inside = marks.filter((mark) => mark >= start && mark <= end);
  const wide = Math.log10(end / start) > 2.2;
  const x = (value) => from + ((to - from) * Math.log(value / start)) / Math.log(end / start);
  return { x, marks: wide ? inside.filter((mark) => Math.abs(Math.log10(mark) % 1) < 1e-9) : inside };
}

function shortNumber(value) {
  return value >= 1000 ? value.toLocaleString("en") : String(Number(value.toPrecision(2)));
}

function axisWords(words, x) {
  return h("svg:text", { class: "mu", x, y: 244, "text-anchor": "middle" }, words);
}

function markWords(scale, prefix, suffix) {
  return scale.marks.map((mark) => h("svg:text", { class: "mu", x: scale.x(mark), y: 224, "text-anchor": "middle" },
    `${prefix}${shortNumber(mark)}${suffix}`));
}

/** A label that fits beside its point; the whole one is in the scoreboard. */
function chartName(each) {
  const name = each.label.length > 22 ? `${each.label.slice(0, 21)}…` : each.label;
  return each.recommended ? `${name} ✓` : name;
}

function boxMark(x, y, each) {
  return [h("svg:rect", { class: each.recommended ? "bx best" : "bx", x: x - 8, y: y - 8, width: CHART.box, height: CHART.box, rx: 2 }),
    h("svg:text", { class: "ab", x, y: y + 4, "text-anchor": "middle" }, each.letter)];
}

function costChart(got) {
  const points = got.points.filter((each) => each.right !== null);
  const priced = points.filter((each) => each.cost > 0);
  const free = points.filter((each) => each.cost === 0);
  const unknown = points.filter((each) => each.cost === null);
  const aside = [["free", free], ["unknown", unknown]].filter(([, some]) => some.length);
  const right = aside.length && priced.length ? CHART.right - 96 * aside.length : CHART.right;
  const y = yOf(got);
  const drawn = [];
  const placed = [];
  if (priced.length) {
    const scale = logScale(priced.map((each) => each.cost), CHART.left, right - 18);
    drawn.push(markWords(scale, "$", ""), axisWords("cost per 1,000 texts, log scale", (CHART.left + right) / 2));
    for (const each of priced) drawn.push(tallMark(got, each, scale.x(each.cost), y, placed, right));
  }
  aside.forEach(([words, some], nth) => {
    const from = priced.length ? right + 12 + 96 * nth : CHART.left + ((CHART.right - CHART.left) * nth) / aside.length;
    const to = priced.length ? from + 84 : CHART.left + ((CHART.right - CHART.left) * (nth + 1)) / aside.length;
    drawn.push(h("svg:text", { class: "mu", x: (from + to) / 2, y: 224, "text-anchor": "middle" },
      priced.length ? words : words === "free" ? "no cost" : "price unknown"));
    some.forEach((each, n) => drawn.push(tallMark(got, each, from + ((to - from) * (n + 0.5)) / some.length, y, placed, to,
      some.length > 1 && priced.length > 0)));
  });
  return chartFrame(got, right, priced.length && aside.length, "Fields right against cost: "
    + points.map((each) => `${each.label} ${each.right}, ${each.cost === null ? "price unknown" : `$${each.cost}`}${
      each.recommended ? ", recommended" : ""}`).join("; "), drawn);
}

function tallMark(got, each, x, y, placed, right, bare) {
  const at = y(each.right);
  const line = each.interval && h("svg:path", { class: "iv",
    d: `M${x} ${y(each.interval[0])}V${y(each.interval[2])}M${x - 4} ${y(each.interval[0])}h8M${x - 4} ${y(each.interval[2])}h8` });
  const wide = chartName(each).length * 7.2;
  const below = each.interval ? y(each.interval[0]) + 16 : at + 24;
  const spots = [[x, below, "middle"], [x, (each.interval ? y(each.interval[2]) : at) - 8, "middle"],
    [x + 13, at + 4, "start"], [x - 13, at + 4, "end"], [x, below + 16, "middle"]];
  const name = !bare && spots.map(([nx, ny, anchor]) => {
    const left = anchor === "start" ? nx : anchor === "end" ? nx - wide : nx - wide / 2;
    return { nx, ny, anchor, box: [left, ny - 11, left + wide, ny + 3] };
  }).find(({ box, ny }) => box[0] > 8 && box[2] < Math.max(right, CHART.right) + 4 && ny < CHART.bottom - 2 && ny > 12
    && !placed.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3]));
  placed.push([x - 9, (each.interval ? y(each.interval[2]) : at - 8) - 2, x + 9, (each.interval ? y(each.interval[0]) : at + 8) + 2]);
  if (name) placed.push(name.box);
  return [line, boxMark(x, at, each),
    name && h("svg:text", { x: name.nx, y: name.ny, "text-anchor": name.anchor }, chartName(each))];
}

function timeChart(got) {
  const points = got.points.filter((each) => each.right !== null && each.p50 > 0);
  if (!points.length) return h("p", { class: "muted" }, "No reply was timed.");
  const scale = logScale(points.flatMap((each) => [each.p50, each.p95 || each.p50]), CHART.left, CHART.right - 14);
  const y = yOf(got);
  const placed = [];
  const marks = [...points].sort((a, b) => b.right - a.right).map((each) => {
    let at = y(each.right);
    const [from, to] = [scale.x(each.p50), scale.x(Math.max(each.p95 || each.p50, each.p50))];
    const wide = chartName(each).length * 7.2 + 16;
    const flip = to + wide > CHART.right;
    const [left, right] = flip ? [from - wide - 8, to] : [from - 8, to + wide];
    while (placed.some((other) => left < other[2] && other[0] < right && Math.abs(at - other[1]) < 18)) at += 2;
    placed.push([left, at, right]);
    return [h("svg:path", { class: "iv", d: `M${from} ${at}H${to}M${to} ${at - 4}v8` }), boxMark(from, at, each),
      h("svg:text", { x: flip ? from - 14 : to + 8, y: at + 4, "text-anchor": flip ? "end" : "start" }, chartName(each))];
  });
  return chartFrame(got, CHART.right, false, "Fields right against seconds: "
    + points.map((each) => `${each.label} ${each.right}, ${each.p50} s`).join("; "),
  markWords(scale, "", " s"), axisWords("median (box) to 95th percentile of a reply, log scale", (CHART.left + CHART.right) / 2), marks);
}
