// The screen on which a store is kept: what opens it, who, copies elsewhere, backups.

const IDLE = [["60", "after 60 idle minutes"], ["15", "after 15 idle minutes"], ["0", "never by itself"]];
const ACTION = { text: "Action", right: true };
const OPTIONAL = { "aria-required": undefined };
const NEW = "\u0000new";

/** The organization in the header; a menu where its store lies in the usual place. */
function organizationChoice(view, store) {
  if (!store.organizations?.length) return h("span", { class: "s muted" }, store.organization);
  if (view.ui.naming) return newOrganization(view);
  const choices = [...store.organizations.map((each) => [each, each]), [NEW, "New organization…"]];
  return h("select", { class: "in bare", key: "organization", rev: store.organization,
    "aria-label": "Organization", "data-focus": "organization", onchange: (e) => {
      if (e.target.value !== NEW) {
        view.ui = {};
        view.send("organization", { name: e.target.value });
        return;
      }
      e.target.value = store.organization;
      view.ui.naming = true;
      view.redraw();
      view.focusField("newname");
    } }, choices.map(([value, words]) =>
    h("option", { value, selected: value === store.organization }, words)));
}

function newOrganization(view) {
  const leave = () => {
    view.ui.naming = false;
    view.redraw();
    view.focusField("organization");
  };
  const take = () => {
    const name = view.root.querySelector("[data-focus=newname]").value.trim();
    leave();
    if (name) view.send("organization", { name });
  };
  return h("div", { class: "row", key: "naming" },
    h("input", { class: "in", type: "text", "aria-label": "Name of the new organization",
      placeholder: "acme", "data-focus": "newname", autocomplete: "off", onkeydown: (e) => {
        if (e.key === "Enter") take();
        else if (e.key === "Escape") leave();
        else return;
        e.preventDefault();
      } }),
    button("Open", take, { small: true }), button("Cancel", leave, { small: true, bare: true }));
}

function settingsButton(view, store) {
  const open = store.gate === "store";
  return button(open ? "Back to the connections" : "Store…",
    () => view.send("gate", { screen: open ? "" : "store" }),
    { small: true, bare: true, key: "settings", "data-focus": "settings" });
}

function storeSettings(view, state) {
  const { store } = state;
  if (store.gate !== "store") return null;
  const { settings } = store;
  if (!settings) {
    return h("p", { class: "body muted", key: "reading", role: "status" }, store.locked
      ? "The store was locked meanwhile: nothing typed here was taken or kept. Unlock it to go on."
      : "Reading the store…");
  }
  return h("div", { key: "settings" },
    part("What opens it", ["The passphrase, and what you let remember it. ", h("code", {}, store.path)],
      openingPart(view, store, settings)),
    settings.opening.asks && part("Passphrase", "Asked for once per session, stored nowhere.",
      passphrasePart(view, settings)),
    part("Members", "Everyone who can open the store. Fingerprints are compared by voice.",
      membersPart(view, settings)),
    part("Backups", "The three files saved before the one now.", backupsPart(view, settings)),
    part("Carry elsewhere", "To another computer or a Hub: one sealed file.",
      exportPart(view, settings)),
    part("Bring here", "Looked at first; nothing is saved before you tick it.",
      importPart(view, settings)),
    settings.opening.asks && part("New identity", "For when the identity leaked: a copy of the "
      + "folder together with its passphrase.", identityPart(view, settings)));
}

function part(title, about, content) {
  return h("div", { class: "step", key: `part:${title}` },
    h("div", {}, h("h3", {}, title), h("p", { class: "s muted" }, about)),
    h("div", { class: "stack t" }, content));
}

/** What came of the last step of a part, in its place. */
function told(settings, name) {
  const said = settings.told[name];
  return h("div", { key: `told:${name}`, role: said?.state === "fail" ? "alert" : "status",
    class: said ? "" : "quiet" },
  said && (said.state === "fail" ? note("fail", said.sentence, said.hint || "")
    : note(said.state, "", said.sentence)));
}

/** The lines that an invited person runs, to be sent as they are. */
function invitation(view, settings) {
  if (!settings.invitation) return null;
  const copy = async () => {
    view.ui.invited = await copied(settings.invitation) ? "Copied." : "Select and copy it.";
    view.redraw();
  };
  return h("div", { class: "stack x", key: "invitation" },
    h("pre", { class: "wire", tabindex: 0, "aria-label": "Invitation" }, settings.invitation),
    h("div", { class: "row" }, button("Copy the invitation", copy, { small: true }),
      h("span", { class: "s muted", role: "status" }, view.ui.invited || "It holds no secret.")));
}

function working(settings, name, label, busy) {
  return settings.working === name ? busy : label;
}

// ---- parts -------------------------------------------------------------------------------------

function openingPart(view, store, settings) {
  const { opening } = settings;
  return [
    opening.places.map((each) => choice([each.words, " ", h("span", { class: "muted" }, each.where)],
      each.on, (on) => view.send("remember", { place: each.place, on }), { key: each.place })),
    !opening.places.length && h("p", { class: "s muted" }, "No system keyring that encrypts is at "
      + "hand here, and no Jupyter server to remember it until it stops."),
    opening.asks && h("label", { class: "row", key: "idle" }, "Lock",
      h("select", { class: "in auto", rev: String(opening.auto_lock), onchange: (e) =>
        view.send("auto_lock", { minutes: Number(e.target.value) }) },
      IDLE.map(([value, words]) => h("option",
        { value, selected: value === String(opening.auto_lock) }, words)))),
    opening.asks && h("p", { class: "s muted" }, "Only what a passphrase opened locks by itself, and "
      + "never during a run."),
    h("p", { class: "s muted" }, "Your recipient, to be invited elsewhere: ",
      h("code", { class: "whole" }, opening.recipient)),
    told(settings, "opening"),
  ];
}

function secretRow(view, fields, label, act, options = {}) {
  const send = () => {
    const there = fields.map(([name]) => typed(view, name));
    const [again] = there.filter((each) => each.dataset.typed.endsWith("-again"));
    const first = again && typed(view, again.dataset.typed.replace("-again", ""));
    view.ui.unlike = again && again.value !== first.value ? again.dataset.typed : "";
    if (view.ui.unlike) {
      view.redraw();
      return;
    }
    for (const each of there) {
      if (each === again) each.value = "";
      else sendSecret(view.model, each, each.dataset.typed);
    }
    inOrder(view.model, () => act());
  };
  return [
    h("div", { class: "fields" }, fields.map(([name, words]) => gateField(name, words, "",
      view.ui.unlike === name ? "The two are not the same." : "", send))),
    h("div", { class: "row" }, button(label, send, options)),
  ];
}

function passphrasePart(view, settings) {
  const fields = [["new", "New passphrase"], ["new-again", "The same again"]];
  if (settings.opening.needs_old) fields.unshift(["old", "Passphrase now"]);
  return [
    told(settings, "passphrase"),
    secretRow(view, fields, working(settings, "passphrase", "Change passphrase", "Changing…"),
      () => view.send("change_passphrase")),
  ];
}

function membersPart(view, settings) {
  const value = (name) => view.root.querySelector(`[data-plain="${name}"]`).value;
  const rows = settings.members.map((each) => ({ key: each.name, cells: [
    [each.name, each.you && h("span", { class: "muted" }, " (you)")],
    h("code", {}, each.fingerprint),
    each.fixed ? "" : view.ui.parting === each.name
      ? h("span", { class: "row wrap" }, button(`Remove ${each.name}`, () => {
        view.ui.parting = "";
        view.send("remove_member", { name: each.name });
      }, { small: true }), button("Keep", () => {
        view.ui.parting = "";
        view.redraw();
      }, { small: true, bare: true }))
      : button("Remove…", () => {
        view.ui.parting = each.name;
        view.redraw();
      }, { small: true, bare: true, "aria-label": `Remove ${each.name}` }),
  ] }));
  return [
    table([{ text: "Name" }, { text: "Fingerprint" }, ACTION], rows),
    told(settings, "members"),
    invitation(view, settings),
    h("div", { class: "fields" }, plainField("member", "Name", "Mara"),
      plainField("recipient", "Their public key", "age1…")),
    h("div", { class: "row wrap" }, button(working(settings, "members", "Invite", "Sealing…"), () =>
      view.send("invite", { name: value("member"), recipient: value("recipient") })),
    h("span", { class: "s muted" }, "They make it with ", h("code", {}, "age-keygen"),
      " and send you the line that starts with age1.")),
  ];
}

function backupsPart(view, settings) {
  if (!settings.backups.length) {
    return [h("p", { class: "muted" }, "None yet: the next save keeps what is there now."),
      told(settings, "backups")];
  }
  const count = (n) => (n === null ? "sealed to an earlier identity, or damaged"
    : `${n} connection${n === 1 ? "" : "s"}`);
  return [
    table([{ text: "Saved" }, { text: "Holds" }, ACTION], settings.backups.map((each) => ({
      key: each.name, cells: [each.saved, count(each.connections), each.connections !== null
        && button("Go back to it", () => view.send("restore", { backup: each.name }),
          { small: true, "aria-label": `Go back to the backup of ${each.saved}` })] }))),
    told(settings, "backups"),
  ];
}

function plainField(name, label, placeholder) {
  const id = `lw-plain-${name}`;
  return h("div", { class: "field", key: id }, h("label", { for: id }, label),
    h("input", { class: "in m", type: "text", id, placeholder, "data-plain": name,
      autocomplete: "off", spellcheck: "false" }));
}

function exportPart(view, settings) {
  const value = (name) => view.root.querySelector(`[data-plain="${name}"]`).value;
  const send = () => {
    sendSecret(view.model, typed(view, "export"), "export");
    inOrder(view.model, () => view.send("export", { path: value("export-path"),
      recipient: value("export-to") }));
  };
  return [
    h("div", { class: "fields" }, plainField("export-path", "File to write", "~/connections-to-go.age"),
      gateField("export", "Sealed to a passphrase", "", "", send, OPTIONAL),
      plainField("export-to", "or to a recipient", "age1…")),
    h("div", { class: "row" }, button(working(settings, "export", "Export", "Sealing…"), send)),
    told(settings, "export"),
  ];
}

function importPart(view, settings) {
  const value = (name) => view.root.querySelector(`[data-plain="${name}"]`).value;
  const send = () => {
    view.ui.ticked = undefined;
    sendSecret(view.model, typed(view, "import"), "import");
    inOrder(view.model, () => view.send("preview", { path: value("import-path") }));
  };
  return [
    h("div", { class: "fields" }, plainField("import-path", "Exported file", "~/connections-to-go.age"),
      gateField("import", "Its passphrase, if it has one", "", "", send, OPTIONAL)),
    h("div", { class: "row" }, button(working(settings, "import", "Look into it", "Opening…"), send)),
    told(settings, "import"),
    settings.preview && previewTable(view, settings.preview),
  ];
}

function previewTable(view, preview) {
  view.ui.ticked ||= new Set(preview.rows.filter((each) => each.new).map((each) => each.label));
  const { ticked } = view.ui;
  const tick = (label) => (on) => {
    ticked[on ? "add" : "delete"](label);
    view.redraw();
  };
  const count = ticked.size;
  return h("div", { class: "stack t", key: "preview" },
    preview.caution && note("warn", "", preview.caution),
    table([{ text: "Connection" }, { text: "Kind" }, { text: "Host" }, { text: "Key ends in" }, { text: "Here" }],
      preview.rows.map((each) => ({ key: each.label, cells: [
        choice(each.label, ticked.has(each.label), tick(each.label), { key: each.label }),
        each.kind, each.host, h("code", {}, each.tail), each.state] }))),
    preview.unreadable.length > 0 && note("warn", "", `This version cannot read ${
      listedWords(preview.unreadable)}.`),
    h("div", { class: "row" }, button(count === 1 ? "Save 1 connection" : `Save ${count} connections`,
      () => view.send("take", { labels: [...ticked] }), { disabled: count === 0 })));
}

function identityPart(view, settings) {
  return [
    h("p", {}, "The store is sealed to a new identity and its backups are deleted. Keys that leaked "
      + "must still be revoked at their providers; they are named afterwards."),
    secretRow(view, [["identity", "Passphrase"]],
      working(settings, "identity", "Make a new identity", "Sealing…"),
      () => view.send("new_identity")),
    told(settings, "identity"),
  ];
}
