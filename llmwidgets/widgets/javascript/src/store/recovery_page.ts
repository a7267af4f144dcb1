// A page to print: the identity, what it opens, and the two ways to use it.

import { download } from "../panel/parts";
import type { StoreState } from "./state";

const STYLE =
  "body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em}" +
  "pre{font:14px/1.6 monospace;padding:1em;border:1px solid;white-space:pre-wrap;overflow-wrap:anywhere}";

export function saveRecoveryPage(store: StoreState, identity: string): void {
  const page = document.implementation.createHTMLDocument(`Recovery of ${store.organization}`);
  const day = new Date().toLocaleDateString("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
  });
  const add = (name: string, text: string, parent: HTMLElement = page.body) => {
    const element = page.createElement(name);
    element.textContent = text;
    parent.append(element);
  };
  add("style", STYLE, page.head);
  add("h1", `Recovery of the store ${store.organization}`);
  add(
    "p",
    `Made on ${day} for ${store.path}. Whoever has this page and that folder can read every ` +
      "key in it. Keep it on paper or in a password manager, never beside the store.",
  );
  add("pre", identity);
  add("h2", "If the passphrase is forgotten");
  add(
    "p",
    "In a notebook: lw.ConnectionPanel(), then Use the recovery identity. The panel asks for a " +
      "new passphrase at once.",
  );
  add("p", "Without llmwidgets: put the line above in a file and run");
  add("pre", "age -d -i THE-FILE connections.age");
  download(
    `recovery-${store.organization.replace(/[^\w.-]+/g, "-")}.html`,
    ["<!doctype html>", page.documentElement.outerHTML],
    "text/html",
  );
}
