// ConnectionForm: one form, and at its right what its check found or where to find what it asks.

import { CheckDetails, CheckVerdict } from "./connections/check";
import { FormBody, FormButtons, GuideFold, WhereToFind } from "./connections/form";
import { Pictures } from "./connections/pictures";
import { Presets } from "./connections/presets";
import { SignInUse } from "./connections/sign_in";
import type { FormState } from "./connections/state";
import { Alert } from "./panel/parts";
import { isBefore, StoreGate, StoreNotice, StoreStatus } from "./store/gate";
import { CreateHead } from "./store/making";
import type { StorePanelState } from "./store/state";
import { createStoreWidget } from "./store/widget";

interface State extends StorePanelState {
  form: FormState;
}

function ConnectionForm({ state }: { state: State }) {
  const { form, store } = state;
  const gate = isBefore(store);
  const head = (
    <div class="row">
      <h2>{form.title}</h2>
      <span class="s muted">{form.about}</span>
      <span class="grow" />
      <StoreStatus store={store} />
    </div>
  );
  const presets = !gate && form.presets.length > 0;
  const apart = form.sign_in?.keyless;
  return (
    <>
      {store.gate === "create" && <CreateHead store={store} />}
      <StoreNotice store={store} />
      <Alert error={state.error} />
      {presets && (
        <div class="body stack above">
          {head}
          <Presets form={form} />
        </div>
      )}
      {gate ? (
        <StoreGate state={state} />
      ) : (
        <div class="cols halves">
          <div class="body stack">
            {!presets && head}
            <FormBody form={form} apart={apart} />
          </div>
          <div class="body stack">
            {apart && <SignInUse sign_in={form.sign_in!} />}
            <CheckVerdict form={form} />
            {apart && <FormButtons form={form} />}
            <CheckDetails form={form} />
            {form.report || form.origin ? (
              <GuideFold form={form} />
            ) : (
              <div class="stack t">
                <h3>Where to find it</h3>
                <WhereToFind form={form} />
              </div>
            )}
          </div>
        </div>
      )}
      {!gate && form.pictures.length > 0 && (
        <div class="body below">
          <Pictures form={form} />
        </div>
      )}
    </>
  );
}

export default createStoreWidget<State>("Connection", ConnectionForm);
