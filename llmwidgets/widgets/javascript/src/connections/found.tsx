// What this computer offers: the environment, other tools' files, local servers.

import type { ComponentChildren } from "preact";
import { ModelNaming } from "../panel/naming";
import { usePanel } from "../panel/panel";
import { Button, listWords } from "../panel/parts";

interface Elsewhere {
  number: number;
  title: string;
  where: string;
  note: string;
  tail: string;
  reference: string | null;
}

/** A connection of the environment; `asks` is what it leaves open: it serves every model. */
interface Found {
  label: string;
  title: string;
  source: string;
  where: string;
  asks: string;
  example: string;
}

export interface FoundState {
  connected: number;
  demo: boolean;
  found: Found[];
  local: { endpoint: string; title: string; host: string; models: string[] }[];
  /** null before anybody looked. */
  elsewhere: Elsewhere[] | null;
  looking: boolean;
  looked: boolean;
}

/** `gate`: a store's screen stands where the form would. */
export function FoundHere({ state, gate }: { state: FoundState; gate: boolean }) {
  const { found, local, looking, elsewhere } = state;
  const nothing = [
    elsewhere?.length === 0 && "No key in other tools' files.",
    state.looked && !local.length && "No other local server of models answers.",
  ]
    .filter(Boolean)
    .join(" ");
  return (
    <footer>
      <div class="found">
        <h3>Found on this computer</h3>
        <ul>
          {found.map((each) => (
            <FoundRow key={`env:${each.label}`} each={each} />
          ))}
          {elsewhere?.map((each) => (
            <ElsewhereRow key={each.number} each={each} />
          ))}
          {local.map(({ endpoint, title, host, models }) => (
            <Row key={endpoint} what={title} where={`on ${host} with ${someOf(models)}`}>
              <Button small send="found.add_local" content={{ endpoint }}>
                Add {models.length === 1 ? models[0] : `${models.length} models`}
              </Button>
            </Row>
          ))}
          <li class="row wrap">
            <span class="grow s muted" role="status">
              {looking ? "Asking the usual ports…" : nothing}
            </span>
            <Button
              small
              title=".env files, LLM, Jupyter AI, gcloud: read now, and only now"
              send="found.look_elsewhere"
            >
              Look in other tools' files
            </Button>
            <Button small disabled={looking} send="found.discover">
              Look for local servers
            </Button>
            {(state.connected > 0 || gate) && !state.demo && <DemoButton small bare />}
          </li>
        </ul>
      </div>
    </footer>
  );
}

export function DemoButton(looks: { small?: boolean; bare?: boolean }) {
  return (
    <Button {...looks} send="connections.demo">
      Use the demo server, no key needed
    </Button>
  );
}

interface RowProps {
  what: ComponentChildren;
  where: ComponentChildren;
  children: ComponentChildren;
}

function Row({ what, where, children }: RowProps) {
  return (
    <li class="row">
      <span class="grow">
        {what} <span class="s muted">{where}</span>
      </span>
      {children}
    </li>
  );
}

/** A key of the environment. Where it serves every model, one is typed here and tested; code names it
    behind the label. */
function FoundRow({ each }: { each: Found }) {
  const { send } = usePanel();
  const { label, title, source, where, asks, example } = each;
  const add = (model = "") => send("found.add", { label, model });
  const words = `Add as ${title}`;
  if (!asks) {
    return (
      <Row what={<code>{source}</code>} where={where}>
        <Button small onClick={() => add()}>
          {words}
        </Button>
      </Row>
    );
  }
  const usage = (
    <>
      {where}, read-only as{" "}
      <code>
        {label}/{asks.toUpperCase()}
      </code>
      : its {asks} follows the slash
    </>
  );
  return (
    <Row what={<code>{source}</code>} where={usage}>
      <ModelNaming class="in m found-model" {...{ asks, title, example, words, add }} />
    </Row>
  );
}

/** A key in clear in another tool's file: referred to where that can be, else copied and sealed. */
function ElsewhereRow({ each }: { each: Elsewhere }) {
  const { send } = usePanel();
  const { number, title, where, tail } = each;
  const add = (reference: boolean) => () => send("found.add_elsewhere", { number, reference });
  return (
    <Row
      what={
        <>
          {title}
          {tail && (
            <>
              , ends in <code>{tail}</code>
            </>
          )}
        </>
      }
      where={`${where}. ${each.note}`}
    >
      {each.reference && (
        <Button small aria-label={`Refer to ${where} for ${title}`} onClick={add(true)}>
          Refer to it
        </Button>
      )}
      <Button
        small
        bare={Boolean(each.reference)}
        aria-label={`Add a sealed copy of ${where} for ${title}`}
        onClick={add(false)}
      >
        Add a sealed copy
      </Button>
    </Row>
  );
}

/** "a, b and c"; of many the first two and how many more. */
export function someOf(models: readonly string[]): string {
  if (models.length <= 3) return listWords(models);
  return `${models.slice(0, 2).join(", ")} and ${models.length - 2} more`;
}
