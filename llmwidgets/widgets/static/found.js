// What this computer offers: the environment, other tools' files, local servers.

function foundHere(view, state, gate) {
  if (gate && state.store.gate !== "unlock") return null;
  const elsewhere = state.elsewhere || [];
  const rows = [
    ...state.found.map((each) => foundRow(`env:${each.label}`, h("code", {}, each.source),
      each.where, button(`Add as ${each.title}`, () => view.send("add_found",
        { label: each.label }), { small: true }))),
    ...elsewhere.map((each) => elsewhereRow(view, each)),
    ...state.local.map((each) => foundRow(each.endpoint, each.title,
      `on ${each.host} with ${listed(each.models)}`,
      button(each.models.length === 1 ? `Add ${each.models[0]}` : `Add ${each.models.length} models`,
        () => view.send("add_local", { endpoint: each.endpoint }), { small: true }))),
  ];
  const nothing = [
    state.elsewhere && !elsewhere.length && "No key in other tools' files.",
    state.looked && !state.local.length && "No other local server of models answers.",
  ].filter(Boolean).join(" ");
  return h("footer", { key: "found" }, h("div", { class: "found" },
    h("h3", {}, "Found on this computer"),
    h("ul", {}, rows, h("li", { key: "look", class: "row wrap" },
      h("span", { class: "grow s muted", role: "status" },
        state.looking ? "Asking the usual ports…" : nothing),
      button("Look in other tools' files", () => view.send("look_elsewhere"),
        { small: true, key: "elsewhere",
          title: ".env files, LLM, Jupyter AI, gcloud: read now, and only now" }),
      button("Look for local servers", () => view.send("discover"),
        { small: true, disabled: state.looking, key: "discover" }),
      (state.connected > 0 || gate) && !state.demo && demoButton(view, state, { small: true, bare: true })))));
}

function foundRow(key, what, where, ...actions) {
  return h("li", { key, class: "row" }, h("span", { class: "grow" }, what, " ",
    h("span", { class: "s muted" }, where)), actions);
}

/** A key in clear in another tool's file: referred to where that can be, else copied and sealed. */
function elsewhereRow(view, each) {
  const add = (reference) => () => view.send("add_elsewhere", { number: each.number, reference });
  return foundRow(`elsewhere:${each.number}`, [each.title,
    each.tail && [", ends in ", h("code", {}, each.tail)]], `${each.where}. ${each.note}`,
  each.reference && button("Refer to it", add(true), { small: true,
    "aria-label": `Refer to ${each.where} for ${each.title}` }),
  button("Add a sealed copy", add(false), { small: true, bare: Boolean(each.reference),
    "aria-label": `Add a sealed copy of ${each.where} for ${each.title}` }));
}

function listed(models) {
  if (models.length > 3) return `${models.slice(0, 2).join(", ")} and ${models.length - 2} more`;
  return listedWords(models);
}
