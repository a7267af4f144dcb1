// ConnectionForm: one form, and at its right what its check found or where to find what it asks.

function render({ model, el }) {
  startSealing(model);
  const draw = (state, send, view) => {
    const { form, store } = state;
    const gate = storeGate(view, state);
    if (gate) {
      return [store.gate === "create" && h("header", { key: "header" }, createHead(store)),
        storeNotice(view, store), alertLine(state.error), gate];
    }
    return [
      storeNotice(view, store), alertLine(state.error),
      h("div", { class: "cols halves", key: "cols" },
        h("div", { class: "body stack" },
          h("div", { class: "row" }, h("h2", {}, form.title),
            h("span", { class: "s muted" }, form.about), h("span", { class: "grow" }),
            storeState(view, store)),
          formFields(view, form), openNote(), doubtNote(view, form), formButtons(view, form)),
        h("div", { class: "body stack" }, checkResult(view, form), guide(form))),
    ];
  };
  return mountStore({ model, el, draw, label: "Connection" });
}

/** Open while the form is empty, folded away once there is something to show. */
function guide(form) {
  if (!form.report && !form.origin) {
    return h("div", { class: "stack t", key: "guide" }, h("h3", {}, "Where to find it"),
      whereToFind(form));
  }
  return h("details", { class: "folded", key: "guide-folded" }, h("summary", {}, icon("right"),
    "Where to find it"), h("div", { class: "inside" }, whereToFind(form)));
}

export default { render };
