// The presets of a form: a search box over a list of servers; the one chosen fills in the endpoint.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { focusOn, usePanel } from "../panel/panel";
import { Icon, Link, plural, TextButton } from "../panel/parts";
import { Address } from "./prose";
import type { FormState, PresetState } from "./state";
import { readValues } from "./submit";

type OfForm = { form: FormState };

const FIRST = 7;

/** The presets with every word that is sought; those whose name it is come first. */
export function findPresets(presets: readonly PresetState[], sought: string): PresetState[] {
  const bare = (text: string) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
  const all = ({ title, endpoint, enforces, watch_out }: PresetState) =>
    [title, bare(title), endpoint, enforces, watch_out].join(" ").toLowerCase();
  const named = (each: PresetState) => bare(each.title).includes(bare(sought));
  const found = presets.filter((each) => words.every((word) => all(each).includes(word)));
  const byName = presets.filter((each) => bare(sought) && named(each));
  return [...new Set([...byName, ...found])];
}

/** Those that are shown at first: the most used, and the one that is on. */
export function firstPresets(presets: readonly PresetState[]): PresetState[] {
  return presets.filter((each, n) => n < FIRST || each.on);
}

export function Presets({ form }: OfForm) {
  const panel = usePanel();
  const list = useRef<HTMLUListElement>(null);
  const [sought, setSought] = useState("");
  const [whole, setWhole] = useState(false);
  const [active, setActive] = useState("");
  const chosen = useRef("");
  const { title: now, hole } = form.preset ?? {};
  useLayoutEffect(() => {
    if (hole && now === chosen.current) setTimeout(() => select(panel.root, hole));
    chosen.current = "";
  }, [form.rev]);
  if (!form.presets.length) return null;
  const found = findPresets(form.presets, sought);
  const shown = sought.trim() || whole ? found : firstPresets(found);
  const id = `lw-${form.key}-presets`.replace(/[^\w-]/g, "-");
  const idOf = (title: string) => `${id}-${title.replace(/\W/g, "-")}`;
  const at = shown.findIndex((each) => each.title === active);
  const search = (words: string) => {
    setSought(words);
    setActive(words.trim() ? (findPresets(form.presets, words)[0]?.title ?? "") : "");
  };
  const choose = ({ title, on }: PresetState) => {
    search("");
    panel.send("form.preset", { form: form.key, title, values: readValues(panel.root) });
    chosen.current = on ? "" : title;
  };
  const point = (to: number) => {
    if (!found.length) return;
    const all = to >= shown.length ? found : shown;
    if (all !== shown) setWhole(true);
    const { title } = all[Math.max(0, Math.min(to, all.length - 1))];
    setActive(title);
    setTimeout(() => {
      const option = list.current?.querySelector(`#${CSS.escape(idOf(title))}`);
      option?.scrollIntoView({ block: "nearest" });
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const up = at < 0 ? shown.length - 1 : at - 1;
    const steps: Record<string, () => void> = {
      ArrowDown: () => point(at + 1),
      ArrowUp: () => point(up),
    };
    if (at >= 0) steps.Enter = () => choose(shown[at]);
    if (sought || active) steps.Escape = () => search("");
    const step = event.ctrlKey || event.altKey || event.metaKey ? undefined : steps[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  };
  const label = `Search ${form.presets.length} presets`;
  return (
    <section class="stack t" aria-label="Start from a preset">
      <div class="row wrap">
        <h3>Start from a preset</h3>
        <span class="s muted">
          fills in the endpoint; the check decides what is really enforced
        </span>
        <span class="grow" />
        <span class="in s lw-search">
          <input
            type="text"
            role="combobox"
            value={sought}
            placeholder={label}
            aria-label={label}
            aria-autocomplete="list"
            aria-expanded={shown.length ? "true" : "false"}
            aria-controls={id}
            aria-activedescendant={at < 0 ? undefined : idOf(active)}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={(e) => search(e.currentTarget.value)}
            onKeyDown={onKeyDown}
          />
          <kbd aria-hidden="true">/</kbd>
        </span>
      </div>
      <div class="presets">
        <div class="preset s muted" aria-hidden="true">
          <span>Preset</span>
          <span>Endpoint</span>
          <span>Known to enforce</span>
          <span>Watch out</span>
        </div>
        <ul role="listbox" id={id} aria-label="Presets" ref={list} hidden={!shown.length}>
          {shown.map((each) => (
            <Row
              key={each.title}
              id={idOf(each.title)}
              preset={each}
              active={each.title === active}
              choose={() => choose(each)}
            />
          ))}
        </ul>
        {sought.trim() ? (
          <p class={found.length ? "spoken" : "rest s muted"} role="status">
            {found.length
              ? `${found.length} ${plural(found.length, "preset")}`
              : "No preset is called that. Any server in OpenAI format can be filled in below."}
          </p>
        ) : (
          <More all={form.presets} whole={whole} turn={() => setWhole(!whole)} />
        )}
      </div>
    </section>
  );
}

interface RowProps {
  id: string;
  preset: PresetState;
  active: boolean;
  choose: () => void;
}

function Row({ id, preset, active, choose }: RowProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the search box has the keys of its list, and the focus
    <li
      id={id}
      role="option"
      class={`preset s${active ? " at" : ""}`}
      aria-selected={preset.on ? "true" : "false"}
      onClick={choose}
    >
      <span class="b">{preset.title}</span>
      <Address>{preset.endpoint}</Address>
      <span class="does">
        <Icon name={preset.level} tone={preset.level} />
        <span class="spoken">known to enforce: </span>
        {preset.enforces}
      </span>
      <span class="trap">{preset.watch_out}</span>
    </li>
  );
}

/** The presets that are less used: how many, which, and the way to all of them. */
function More({ all, whole, turn }: { all: PresetState[]; whole: boolean; turn: () => void }) {
  const first = firstPresets(all);
  const rest = all.filter((each) => !first.includes(each)).map((each) => each.title);
  if (!rest.length) return null;
  return (
    <p class="rest s muted">
      <TextButton onClick={turn} aria-expanded={whole ? "true" : "false"}>
        {whole ? `Show ${rest.length} fewer` : `Show ${rest.length} more`}
      </TextButton>{" "}
      {!whole && rest.join(", ")}
    </p>
  );
}

/** What the preset that is on says of its endpoint, in place of the field's own help. */
export function endpointHelp({ preset }: FormState): ComponentChildren {
  if (!preset) return "";
  const { hole, fill, own, sent } = preset;
  if (hole) return `Replace ${hole} with ${fill}.`;
  if (!own || !sent) return "";
  // A parameter is told from the words around it by its underscore.
  return sent.split(/(\w+_\w+)/).map((part, n) => (n % 2 ? <code>{part}</code> : part));
}

/** An address that was typed stays when a preset is chosen; the preset's own is one click away. */
export function PresetAddress({ form }: OfForm) {
  const panel = usePanel();
  const { preset } = form;
  if (!preset || preset.own || form.origin) return null;
  const { title, endpoint } = preset;
  const take = () => {
    const values = readValues(panel.root);
    panel.send("form.preset", { form: form.key, title, replace: true, values });
    focusOn(panel, "endpoint");
  };
  return (
    <p class="s read">
      <span class="muted">What you typed stays. {title}'s own is </span>
      <Address>{endpoint}</Address>. <TextButton onClick={take}>Use it</TextButton>
    </p>
  );
}

/** Where the key of the preset is found; nothing for a server without keys of its own. */
export function KeyPlace({ form }: OfForm) {
  const { key_page, variable } = form.preset ?? {};
  if (!key_page) return null;
  return (
    <>
      Found at <Link url={key_page}>{key_page.replace(/^https?:\/\//, "")}</Link>
      {variable && (
        <>
          , or in <code>{variable}</code>
        </>
      )}
      .{" "}
    </>
  );
}

/** The caret is where the address is still open. */
function select(root: HTMLElement, hole: string): void {
  const field = root.querySelector<HTMLTextAreaElement>("[data-focus=endpoint]");
  const at = field?.value.indexOf(hole) ?? -1;
  if (!field || at < 0) return;
  field.focus();
  field.setSelectionRange(at, at + hole.length);
}
