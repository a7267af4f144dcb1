// ConnectionPanel: the kinds at the left, the form of one at the right, what was found below.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { CheckResult } from "./connections/check";
import { FormBody, GuideFold, WhereToFind } from "./connections/form";
import { DemoButton, FoundHere, type FoundState } from "./connections/found";
import { type KindState, KindsList } from "./connections/kinds";
import { Pictures } from "./connections/pictures";
import { Presets } from "./connections/presets";
import type { FormState } from "./connections/state";
import { NameRow } from "./panel/controls";
import { drawing, focusIn } from "./panel/page";
import { focusOn, usePanel } from "./panel/panel";
import { Alert, Button } from "./panel/parts";
import { isBefore, StoreGate, StoreNotice, StoreStatus } from "./store/gate";
import { CreateHead } from "./store/making";
import { OrganizationChoice, SettingsButton, StoreSettings } from "./store/settings";
import type { StorePanelState } from "./store/state";
import { createStoreWidget } from "./store/widget";

interface State extends StorePanelState, FoundState {
  kinds: KindState[];
  /** What was removed last and can come back. */
  deleted: string;
}

const ORIGINS: Partial<Record<FormState["origin"], string>> = {
  policy: "provided by an administrator, read-only",
  session: "this session only",
  demo: "rule-based demo, no LLM · this session only",
  environment: "from the environment",
};

function ConnectionPanel({ state }: { state: State }) {
  const { store, form } = state;
  const gate = isBefore(store);
  return (
    <>
      {store.gate === "create" ? (
        <CreateHead store={store} />
      ) : (
        <header>
          <h2>Connections</h2>
          <OrganizationChoice store={store} />
          <span class="grow" />
          <StoreStatus store={store}>
            <SettingsButton store={store} />
          </StoreStatus>
        </header>
      )}
      <StoreNotice store={store} />
      <Alert error={state.error} />
      <UndoLine deleted={store.gate ? "" : state.deleted} />
      {gate && <StoreGate state={state} />}
      {store.gate === "store" && <StoreSettings store={store} />}
      {!store.gate && (
        <div class="cols panel">
          <KindsList kinds={state.kinds} />
          <div class="body stack" key={form?.key ?? ""}>
            {form ? <OpenForm form={form} /> : <NothingYet found={state.found.length > 0} />}
          </div>
        </div>
      )}
      {(!store.gate || store.gate === "unlock") && <FoundHere state={state} gate={gate} />}
    </>
  );
}

/** What was removed last can come back, until the store is locked. Who removed it here finds the
    focus on the way back, not on another's Remove, which bears the same name. */
function UndoLine({ deleted }: { deleted: string }) {
  const { root } = usePanel();
  const undo = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (deleted && drawing.own && focusIn(root))
      undo.current?.querySelector("button")?.focus({ preventScroll: true });
  }, [deleted]);
  if (!deleted) return null;
  return (
    <div class="band" role="status" ref={undo}>
      <div class="row">
        <span class="grow">
          <span class="b">{deleted} is removed.</span> Its key can be put back until the store is
          locked.
        </span>
        <Button
          small
          data-focus="undo"
          aria-label={`Put ${deleted} back`}
          send="connections.undelete"
        >
          Undo
        </Button>
      </div>
    </div>
  );
}

function NothingYet({ found }: { found: boolean }) {
  return (
    <>
      <div>
        <h3>No connection yet</h3>
        <p class="muted">
          Pick a kind at the left{found ? ", or add what was found on this computer." : "."}
        </p>
      </div>
      <div class="row wrap">
        <DemoButton />
      </div>
    </>
  );
}

function OpenForm({ form }: { form: FormState }) {
  const told = form.origin || form.report;
  return (
    <>
      <FormHead form={form} />
      {form.presets.length > 0 && <Presets form={form} />}
      <div class={told ? "stack" : "beside-guide"}>
        <div class="stack">
          <FormBody form={form} />
          <CheckResult form={form} />
        </div>
        {told ? (
          <GuideFold form={form} />
        ) : (
          <aside class="stack t" aria-label="Where to find it">
            <h3>Where to find it</h3>
            <WhereToFind form={form} />
          </aside>
        )}
      </div>
      <Pictures form={form} />
    </>
  );
}

function FormHead({ form }: { form: FormState }) {
  const panel = usePanel();
  const [renaming, setRenaming] = useState(false);
  const busy = form.busy ? "true" : undefined;
  if (renaming) {
    return (
      <NameRow
        label={`New label of ${form.label}`}
        action="Rename"
        value={form.label}
        data-focus="rename"
        take={(label) => panel.send("connections.rename", { form: form.key, label })}
        leave={() => setRenaming(false)}
      />
    );
  }
  const facts = form.origin
    ? [
        ORIGINS[form.origin] || (form.saved && `saved ${form.saved}`),
        form.checked && `checked ${form.checked}`,
      ]
        .filter(Boolean)
        .join(" · ")
    : form.about;
  return (
    <div class="row wrap head">
      <h2>{form.origin && form.about ? form.label : form.title}</h2>
      <span class="s muted">{facts}</span>
      <span class="grow" />
      {form.origin && !form.read_only && (
        <>
          <Button
            bare
            small
            aria-disabled={busy}
            onClick={() => {
              setRenaming(true);
              focusOn(panel, "rename");
            }}
          >
            Rename
          </Button>
          <Button
            bare
            small
            data-focus="undo"
            aria-disabled={busy}
            send="connections.remove"
            content={{ form: form.key }}
          >
            Remove
          </Button>
        </>
      )}
      {form.keeper && <p class="s muted whole">From {form.keeper}.</p>}
      {form.reference && (
        <p class="s muted whole">
          In code: <code>{form.reference}</code>
        </p>
      )}
    </div>
  );
}

export default createStoreWidget<State>("Connections", ConnectionPanel);
