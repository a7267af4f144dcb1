// How a connection signs in: the choice of a way, and what a way without a key will use.

import { useRef, useState } from "preact/hooks";
import { acts } from "../panel/page";
import { usePanel } from "../panel/panel";
import { Button } from "../panel/parts";
import { Acts, stepTo } from "../panel/protocol";
import type { FormState, SignInState } from "./state";
import { readValues } from "./submit";

interface Props {
  form: FormState;
  sign_in: SignInState;
}

/** One of the ways; an arrow key takes the next one, as in any group of radio buttons. They are none
    of the browser's: a label of theirs would bear the name of the key's own field. */
export function SignInChoice({ form, sign_in }: Props) {
  const panel = usePanel();
  const group = useRef<HTMLDivElement>(null);
  const [picked, setPicked] = useState({ way: "", place: 0 });
  // A state from before a person's choice does not take it back.
  const chosen = picked.place > acts.answered ? picked.way : sign_in.way;
  const pick = (way: string) => {
    if (way === chosen || form.busy) return;
    setPicked({ way, place: Acts.place(acts.newest) });
    panel.send("form.edit", {
      form: form.key,
      values: { ...readValues(panel.root), sign_in: way },
    });
  };
  const step = (event: KeyboardEvent) => {
    const at = sign_in.ways.findIndex(({ name }) => name === chosen);
    const to = stepTo(event.key, at, sign_in.ways.length);
    if (to < 0) return;
    event.preventDefault();
    group.current?.querySelectorAll<HTMLElement>("[role=radio]")[to].focus();
    pick(sign_in.ways[to].name);
  };
  if (form.read_only) {
    return (
      <div class="field">
        <span class="label">Sign in with</span>
        <div class="in ro">{sign_in.ways.find(({ name }) => name === sign_in.way)?.title}</div>
      </div>
    );
  }
  return (
    <div>
      <div ref={group} class="ways" role="radiogroup" aria-label="Sign in with" onKeyDown={step}>
        <span class="label" aria-hidden="true">
          Sign in with
        </span>
        <span class="row wrap">
          {sign_in.ways.map(({ name, title }) => (
            <button
              key={name}
              type="button"
              class="way"
              role="radio"
              aria-checked={name === chosen}
              aria-disabled={form.busy ? "true" : undefined}
              tabIndex={name === chosen ? 0 : -1}
              data-focus={`sign_in:${name}`}
              onClick={() => pick(name)}
            >
              {title}
            </button>
          ))}
        </span>
      </div>
      {sign_in.dropped && (
        <p class="help" role="status">
          {sign_in.dropped}
        </p>
      )}
    </div>
  );
}

/** What a way without a key signs in as, once a test has shown it, and where its token goes. */
export function SignInUse({ sign_in }: { sign_in: SignInState }) {
  const { account, source, unnamed, note } = sign_in;
  return (
    <div class="field">
      <span class="label">What it will use</span>
      <div class="in ro" role="status">
        {account ? (
          <span>
            Signed in as <span class="b">{account}</span>
            {source && ` by ${source}`}
          </span>
        ) : (
          <span class={unnamed ? "" : "muted"}>{unnamed || "found when tested"}</span>
        )}
      </div>
      <p class="help">{note}</p>
    </div>
  );
}

/** The way back to the key, from a way whose test failed. */
export function BackToKey({ form, sign_in }: Props) {
  return (
    <Button
      bare
      class="end"
      aria-disabled={form.busy ? "true" : undefined}
      send="form.edit"
      content={{ form: form.key, values: { sign_in: "key" } }}
    >
      {sign_in.back}
    </Button>
  );
}
