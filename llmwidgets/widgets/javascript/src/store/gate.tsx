// The store: its state in the header, and the screen that stands before the rest.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { lossAside } from "../panel/loss";
import { focusOn, usePanel } from "../panel/panel";
import { Button, Icon, Note, TextButton } from "../panel/parts";
import { inOrder, sendSecret } from "../panel/sealing";
import { GateField, lastSaid, type OfStore, RememberTick, remembered, typed } from "./fields";
import { CreateGate, OpenNote } from "./making";
import type { StorePanelState, StoreState } from "./state";

/** Right side of a header: open or locked, by what, and what can be done about it. */
export function StoreStatus({ store, children }: OfStore & { children?: ComponentChildren }) {
  const { loss } = usePanel();
  if (loss) return <span class="s muted">{lossAside(loss)}</span>;
  if (store.memory) return null;
  if (!store.exists) {
    return (
      <Button small bare send="store.screen" content={{ screen: "create" }}>
        Create the store
      </Button>
    );
  }
  if (store.locked) {
    return (
      <>
        <Icon name="lock" tone="muted" />
        <span class="s muted">
          Locked{store.why && `: ${store.why}`}
          {store.changed && ` · last changed ${store.changed}`}
        </span>
        {store.gate !== "unlock" && (
          <Button small send="store.screen" content={{ screen: "unlock" }}>
            Unlock
          </Button>
        )}
      </>
    );
  }
  if (!store.by) return null;
  return (
    <>
      <Icon name="open" tone="muted" />
      <span class="s muted">
        Unlocked by {store.by}
        <span class="narrow-hide">
          {store.locks_after > 0 && ` · locks after ${store.locks_after} min idle`}
        </span>
      </span>
      {children}
      <Button small send="store.lock">
        Lock
      </Button>
    </>
  );
}

export function StoreNotice({ store }: OfStore) {
  if (!store.notices.length) return null;
  return (
    <div class="band" role="note">
      {store.notices.map((said) => (
        <Note key={said} icon="info" text={said} />
      ))}
      {store.rolled_back && (
        <div class="row indent">
          <Button small send="store.accept_rollback">
            Go on from the older file
          </Button>
        </div>
      )}
    </div>
  );
}

/** The screen to make or to unlock the store, where the kernel asks for one of the two. */
export function StoreGate({ state }: { state: StorePanelState }) {
  const { store } = state;
  if (store.gate === "create")
    return <CreateGate store={store} waits={Boolean(state.form?.waits)} />;
  return <UnlockGate store={store} />;
}

export function isBefore(store: StoreState): boolean {
  return store.gate === "create" || store.gate === "unlock";
}

/** Seconds until the next try; the page counts down by itself from what the kernel said. */
function useCountDown(store: StoreState): number {
  const [now, tick] = useState(0);
  const said = useRef<{ store: StoreState; until: number } | undefined>(undefined);
  if (said.current?.store !== store) {
    said.current = { store, until: performance.now() + store.wait * 1000 };
  }
  const left = Math.max(0, Math.ceil((said.current!.until - performance.now()) / 1000));
  useEffect(() => {
    if (left === 0) return;
    const next = (said.current!.until - performance.now()) % 1000 || 1000;
    const timer = setTimeout(() => tick(now + 1), next);
    return () => clearTimeout(timer);
  });
  return left;
}

function UnlockGate({ store }: OfStore) {
  const panel = usePanel();
  const [lost, setLost] = useState(false);
  const [remember, setRemember] = useState(false);
  const left = useCountDown(store);
  const name = lost ? "recovery" : "passphrase";
  const held = Boolean(store.busy) || left > 0;
  const unlock = () => {
    if (held) return;
    sendSecret(panel.model, typed(panel, name), name);
    inOrder(panel.model, () =>
      panel.send("store.unlock", { by: name, remember: remembered(store, remember) }),
    );
  };
  const turn = () => {
    setLost(!lost);
    focusOn(panel, lost ? "passphrase" : "recovery");
  };
  const error = [lastSaid(store, name), left > 0 && `You can try again in ${left} s.`]
    .filter(Boolean)
    .join(" ");
  return (
    <div class="body stack gate">
      <div class="row top narrow">
        {lost ? (
          <GateField
            key="recovery"
            name="recovery"
            label="Recovery identity"
            error={error}
            onEnter={unlock}
            help="Kept elsewhere since the store was made; it starts with AGE-SECRET-KEY-1."
          />
        ) : (
          <GateField
            key="passphrase"
            name="passphrase"
            label="Passphrase"
            error={error}
            onEnter={unlock}
            next
            help={`Opens the store ${store.organization} in this session; it is stored nowhere.`}
          />
        )}
        <Button
          go
          class="beside"
          onClick={unlock}
          aria-disabled={held ? "true" : undefined}
          data-main="1"
        >
          {store.busy ? "Unlocking…" : "Unlock"}
        </Button>
      </div>
      {store.backup && (
        <div class="callout warn">
          <Note
            icon="warn"
            title="The damaged file is kept as it is."
            text={`A backup of ${store.backup} lies beside it.`}
          >
            <div class="row act">
              <Button go send="store.rescue">
                Go back to the backup
              </Button>
            </div>
          </Note>
        </div>
      )}
      <RememberTick store={store} checked={remember} onTick={setRemember} />
      <OpenNote />
      <p class="s muted">
        {lost ? (
          <>
            <TextButton onClick={turn}>Use the passphrase</TextButton>.
          </>
        ) : (
          <>
            Forgotten it? <TextButton onClick={turn}>Use the recovery identity</TextButton>. No
            prompt wanted, as on a server? Set <code>LLMWIDGETS_STORE_KEY_FILE</code>.
          </>
        )}
      </p>
      <div class="row">
        <Button bare send="store.screen" content={{ screen: "" }}>
          Go on without the store
        </Button>
      </div>
    </div>
  );
}
