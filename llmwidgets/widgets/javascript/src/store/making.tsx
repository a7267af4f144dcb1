// The screen that makes a store: a passphrase that the user has, an identity that the user keeps.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { give } from "../panel/page";
import { focusOn, usePanel } from "../panel/panel";
import { Button, copied, Link, listWords, Note } from "../panel/parts";
import { canSeal, inOrder, sendSecret } from "../panel/sealing";
import { Choice } from "../panel/tick";
import { GateField, lastSaid, type OfStore, RememberTick, remembered, typed } from "./fields";
import { saveRecoveryPage } from "./recovery_page";
import { useShown } from "./shown";
import type { StoreState } from "./state";
import { countTyped, missingParts, ownLack, SHORTEST, spaced, wordsOf } from "./words";

const HIDDEN = "•".repeat(44);

/** What stands in the header while the store is made. */
export function CreateHead({ store }: OfStore) {
  return (
    <header class="wrap">
      <h2>Create the store for {store.organization}</h2>
      <span class="s muted apart">
        Keys are encrypted on disk, in the form of <Link url="https://age-encryption.org">age</Link>
        , a free tool that opens the file too.
      </span>
    </header>
  );
}

/** The sentence that stands under a form where the page cannot seal. */
export function OpenNote() {
  return canSeal() ? null : (
    <Note
      icon="warn"
      title="This page is not https:"
      text="the key crosses the network as typed."
    />
  );
}

interface StepProps {
  title: string;
  about: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}

export function Step({ title, about, children, class: look = "" }: StepProps) {
  return (
    <div class={`step ${look}`}>
      <div>
        <h3>{title}</h3>
        <p class="s muted">{about}</p>
      </div>
      <div class="stack t">{children}</div>
    </div>
  );
}

export function CreateGate({ store, waits }: { store: StoreState; waits: boolean }) {
  const panel = usePanel();
  const shown = useShown();
  const [own, setOwn] = useState(false);
  /** The words as they are typed; of a passphrase of one's own only what it lacks. */
  const [given, setGiven] = useState("");
  const [kept, setKept] = useState(false);
  const [remember, setRemember] = useState(false);
  const making = store.making ?? { count: 0, bits: 0 };
  useLayoutEffect(() => shown.askForWords(), [making.count]);

  const missing = missingParts(own, shown.words, given, kept);
  const held = Boolean(store.busy) || missing.length > 0;
  const field = () => typed(panel, "passphrase");
  const turn = () => {
    give(field(), "");
    setOwn(!own);
    setGiven(own ? "" : ownLack("", ""));
    focusOn(panel, "passphrase");
  };
  const create = () => {
    if (held) return;
    if (own) {
      give(typed(panel, "again"), "");
      setGiven(ownLack("", ""));
    } else field().value = spaced(field().value);
    sendSecret(panel.model, field(), "passphrase");
    inOrder(panel.model, () =>
      panel.send("store.create", { own, kept, remember: remembered(store, remember) }),
    );
  };
  return (
    <>
      <Step title="1. Passphrase" about="Asked for once per session, stored nowhere." class="gate">
        {own ? (
          <OwnWords
            error={lastSaid(store)}
            create={create}
            turn={turn}
            onType={() => setGiven(ownLack(field().value, typed(panel, "again").value))}
          />
        ) : (
          <ProposedWords
            shown={shown.words}
            given={given}
            bits={making.bits}
            error={lastSaid(store)}
            create={create}
            turn={turn}
            onType={setGiven}
            other={() => {
              setGiven("");
              give(field(), "");
              panel.send("store.words");
            }}
          />
        )}
        <RememberTick store={store} checked={remember} onTick={setRemember} />
        <OpenNote />
      </Step>
      <RecoveryStep store={store} shown={shown} kept={kept} onKept={setKept} />
      <footer class="wrap">
        <Button
          go
          onClick={create}
          aria-disabled={held ? "true" : undefined}
          data-main="1"
          aria-describedby="lw-create-missing"
        >
          {store.busy ? "Creating…" : waits ? "Create store and save" : "Create store"}
        </Button>
        <Button bare send="store.screen" content={{ screen: "" }}>
          Go on without the store
        </Button>
        <span class="s muted" id="lw-create-missing" role="status">
          {missing.length > 0 && `Missing: ${listWords(missing)}.`}
        </span>
        <span class="grow" />
        <span class="s muted m nw narrow-hide">{store.path}</span>
      </footer>
    </>
  );
}

interface WordsProps {
  error: string;
  create: () => void;
  turn: () => void;
  onType: (text: string) => void;
}

interface ProposedProps extends WordsProps {
  shown: string;
  given: string;
  bits: number;
  other: () => void;
}

function ProposedWords({ shown, given, bits, other, ...props }: ProposedProps) {
  const { error, create, turn, onType } = props;
  const { of, right } = countTyped(shown, given);
  const words = shown ? wordsOf(shown) : Array<string>(6).fill("…");
  return (
    <>
      <ol class="words" aria-label="Proposed passphrase">
        {words.map((word, n) => (
          <li key={n}>{word}</li>
        ))}
      </ol>
      <div class="row wrap">
        <Button small onClick={other}>
          Other words
        </Button>
        <Button small bare onClick={turn}>
          Type my own
        </Button>
        <span class="grow" />
        <span class="s muted">six words of 2,048, {bits} bits</span>
      </div>
      <GateField
        key="words"
        name="passphrase"
        label="Type the six words once"
        error={error}
        onEnter={create}
        shown
        next
        help={of > 0 && `So that you know you have them: ${Math.min(right, of)} of ${of}.`}
        onInput={onType}
      />
    </>
  );
}

function OwnWords({ error, create, turn, onType }: WordsProps) {
  const panel = usePanel();
  return (
    <>
      <GateField
        key="own"
        name="passphrase"
        label="Passphrase"
        error={error}
        next
        onInput={onType}
        onEnter={() => focusOn(panel, "again")}
        help={`At least ${SHORTEST} characters; several words are easy to keep in mind and hard to guess.`}
      />
      <GateField
        key="again"
        name="again"
        label="The same again"
        onInput={onType}
        onEnter={create}
        help="So that a slip of the hand locks nobody out."
      />
      <div class="row">
        <Button small bare onClick={turn}>
          Propose six words
        </Button>
      </div>
    </>
  );
}

interface RecoveryProps extends OfStore {
  shown: ReturnType<typeof useShown>;
  kept: boolean;
  onKept: (on: boolean) => void;
}

function RecoveryStep({ store, shown, kept, onKept }: RecoveryProps) {
  const [showing, setShowing] = useState(false);
  const [said, setSaid] = useState("");
  const open = showing && shown.recovery;
  const copy = async (identity: string) => {
    const done = await copied(identity);
    setSaid(
      done
        ? "Copied. Paste it into a password manager, then clear the clipboard."
        : "The browser does not let this page copy: select it and copy it.",
    );
    if (!done) setShowing(true);
  };
  return (
    <Step
      title="2. Recovery identity"
      about="The only way in if the passphrase is forgotten. Shown once."
    >
      <div class="in ro m">
        <span class="grow">
          {open || (
            <>
              <span class="spoken">Recovery identity, hidden</span>
              <span aria-hidden="true">AGE-SECRET-KEY-1{HIDDEN}</span>
            </>
          )}
        </span>
        <Button
          bare
          small
          class="within"
          onClick={() => shown.withRecovery(() => setShowing(!showing))}
        >
          {open ? "Hide" : "Show"}
        </Button>
      </div>
      <div class="row wrap">
        <Button
          small
          onClick={() => shown.withRecovery((identity) => saveRecoveryPage(store, identity))}
        >
          Save recovery page
        </Button>
        <Button small bare onClick={() => shown.withRecovery(copy)}>
          Copy
        </Button>
        <span class="s muted" role="status">
          {said}
        </span>
      </div>
      <Choice checked={kept} onTick={onKept}>
        I keep it somewhere other than this computer
      </Choice>
    </Step>
  );
}
