// How a tree that was drawn becomes a fresh one: each child finds its own again, what is gone is taken
// away first, and the rest moves around the focus. What a person is typing is not touched.

function adopt(element, fresh) {
  for (const event of Object.keys(element.lwOn)) {
    if (!(event in fresh.lwOn)) delete element.lwOn[event];
  }
  for (const [event, handler] of Object.entries(fresh.lwOn)) {
    if (event in element.lwOn) element.lwOn[event] = handler;
    else listen(element, event, handler);
  }
}

function same(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName
    && (a.nodeType !== Node.ELEMENT_NODE
      || (a.dataset?.key === b.dataset?.key && a.getAttribute("type") === b.getAttribute("type")));
}

function focused(node) {
  return node.getRootNode().activeElement || null;
}

function morph(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.dataset?.owned !== undefined) return; // a part that draws itself (a virtual grid)
  const revised = old.dataset?.rev !== fresh.dataset?.rev;
  const said = old.value;
  const stays = (name) => name === "data-roved" || ("disabled" in old && name === "disabled")
    || (old.nodeName === "DETAILS" && name === "open");
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !stays(name)) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value && !stays(name)) old.setAttribute(name, value);
  }
  if ("disabled" in old) setDisabled(old, fresh.disabled);
  adopt(old, fresh);
  morphChildren(old, fresh);
  if (CONTROL.test(old.nodeName)) morphControl(old, fresh, revised, said);
}

/** A field in which a person is takes a newer value when it is left, if nothing was typed since;
    the answer to what was done there is taken at once. */
function morphControl(old, fresh, revised, said) {
  if (old.type === "checkbox") {
    // A state from before a person's tick does not take it back; the answer to it decides.
    const before = old.lwTicked > answered && !revised;
    if (!before) delete old.lwTicked;
    if (revised || (fresh.dataset.rev === undefined && !before)) old.checked = fresh.checked;
    old.indeterminate = fresh.indeterminate;
    return;
  }
  const { lwKept: newer } = fresh; // its own options may have moved over by now
  const waits = old === focused(old) && !answering
    && (old.nodeName !== "SELECT" || [...old.options].some((each) => each.value === said));
  if (revised && waits) old.lwNext = newer;
  else if (revised) old.value = old.lwKept = newer;
  if (waits && old.nodeName === "SELECT" && old.value !== said) old.value = said;
}

/** The focus would leave a button that is switched off: it only says so until it is left. */
function setDisabled(element, off) {
  element.lwOff = off && !element.disabled && element === focused(element);
  if (element.lwOff) element.setAttribute("aria-disabled", "true");
  else element.disabled = off;
}

/** What was typed and reported is kept; a value that waited is taken when the field is left. */
function followTyping(root) {
  root.addEventListener("change", ({ target }) => {
    target.lwKept = target.value;
    delete target.lwNext;
  }, true);
  root.addEventListener("focusout", ({ target }) => {
    if (target.lwOff) {
      setTimeout(() => {
        if (!target.lwOff || target === focused(target)) return;
        target.removeAttribute("aria-disabled");
        setDisabled(target, true);
      });
    }
    if (target.lwNext === undefined || target === focused(target)) return; // the window was left
    if (target.value === target.lwKept) target.value = target.lwKept = target.lwNext;
    delete target.lwNext;
  });
}

/** Take the vanished away first, then move as few as possible, and never what holds the focus. */
function morphChildren(old, fresh) {
  const [there, wanted] = [[...old.childNodes], [...fresh.childNodes]];
  const partners = pair(there, wanted);
  const kept = new Set(partners);
  for (const child of there) if (!kept.has(child)) child.remove();
  const places = new Map(there.map((child, n) => [child, n]));
  const active = focused(old);
  const held = partners.findIndex((each) => each && each.contains(active));
  const stay = staying(partners.map((each) => places.get(each) ?? -1), active ? held : -1);
  let next = null;
  for (let n = wanted.length - 1; n >= 0; n -= 1) {
    const node = partners[n] || wanted[n];
    if (!stay.has(n)) old.insertBefore(node, next);
    if (partners[n]) morph(node, wanted[n]);
    next = node;
  }
}

/** The child there is for each that is wanted: by its key, else by a control it holds, else in turn. */
function pair(there, wanted) {
  const [keyed, holding, rest, used] = [new Map(), new Map(), new Map(), new Set()];
  for (const child of there) {
    if (child.dataset?.key) keyed.set(child.dataset.key, child);
    else for (const name of namesIn(child)) if (!holding.has(name)) holding.set(name, child);
  }
  const partners = wanted.map((each) => {
    const key = each.dataset?.key;
    const known = key ? [keyed.get(key)] : namesIn(each).map((name) => holding.get(name));
    const found = known.find((one) => one && !used.has(one) && same(one, each));
    used.add(found);
    return found;
  });
  for (const child of there) {
    if (used.has(child) || child.dataset?.key) continue;
    if (!rest.has(like(child))) rest.set(like(child), []);
    rest.get(like(child)).push(child);
  }
  for (const list of rest.values()) list.reverse();
  return partners.map((found, n) =>
    found || (wanted[n].dataset?.key ? undefined : rest.get(like(wanted[n]))?.pop()));
}

/** What tells a control from its like, so that nothing typed turns up in another field. */
function nameOf({ id, dataset = {} }) {
  const { key, focus, field, part, typed, plain, secret } = dataset;
  return key || id || focus || typed || plain || secret || (field && `${field} ${part || ""}`);
}

function namesIn(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const inside = node.firstElementChild
    ? node.querySelectorAll("input, textarea, select, button, summary, [tabindex]") : [];
  return [node, ...inside].map(nameOf).filter(Boolean);
}

function like(node) {
  const name = CONTROL.test(node.nodeName) ? nameOf(node) : "";
  return [node.nodeName, node.getAttribute?.("type"), name].join(" ");
}

/** Which stay where they are: a longest rising row of the old places, through that of the focus. */
function staying(order, held) {
  const fits = (at) => order[at] >= 0 && (held < 0 || at === held
    || (at < held) === (order[at] < order[held]));
  const [tails, before, stay] = [[], [], new Set()];
  order.forEach((value, at) => {
    if (!fits(at)) return;
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (order[tails[middle]] < value) low = middle + 1;
      else high = middle;
    }
    before[at] = low ? tails[low - 1] : -1;
    tails[low] = at;
  });
  for (let at = tails.at(-1) ?? -1; at >= 0; at = before[at]) stay.add(at);
  return stay;
}
