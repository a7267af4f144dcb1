// The control of a secret: an input until something is there, then a line that only tells it.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Field, saidOf } from "../panel/controls";
import { FileButton } from "../panel/file";
import { give, inHand } from "../panel/page";
import { focusOn, usePanel } from "../panel/panel";
import { Button, Icon, Link } from "../panel/parts";
import { sendFile, sendSecret } from "../panel/sealing";
import { KeyPlace } from "./presets";
import type { FormState, SecretFieldState, SecretState } from "./state";

const MOST_BYTES = 65536;

type Secret = { form: FormState; field: SecretFieldState; id: string };

/** Whether the connection lasts for this session only, also after the next test. */
export function isBrief(form: FormState): boolean {
  return form.origin === "session" || form.origin === "demo";
}

export function SecretField({ form, field, id }: Secret) {
  const panel = usePanel();
  const [replacing, setReplacing] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const { state } = field.secret;
  const asked = state === "empty" || (replacing && state === "stored") || inHand(input.current);
  useLayoutEffect(() => {
    if (!asked && state === "received") setReplacing(false);
  });
  if (form.read_only && state === "empty") return null;
  const turn = (to: boolean) => {
    setReplacing(to);
    focusOn(panel, field.name);
  };
  const place = field.name === "api_key" && Boolean(form.preset?.key_page);
  const help = (
    <>
      {state === "empty" && field.help && !place && `${field.help} `}
      {state === "empty" && place && <KeyPlace form={form} />}
      {form.host && `Sent to ${form.host} and to no other host. `}
      {field.name.endsWith("key") && !place && <KeyLink form={form} />}
    </>
  );
  return (
    <Field
      id={id}
      label={field.label}
      optional={field.optional}
      help={help}
      error={field.error}
      told={!asked}
    >
      {asked ? (
        <SecretInput
          form={form}
          field={field}
          id={id}
          inputRef={input}
          leave={replacing ? () => turn(false) : undefined}
        />
      ) : (
        <SecretTold form={form} field={field} replace={() => turn(true)} />
      )}
      <AccountFacts field={field} />
    </Field>
  );
}

function SecretTold({ form, field, replace }: Omit<Secret, "id"> & { replace: () => void }) {
  const { state } = field.secret;
  const change = !form.read_only;
  return (
    <div class="row">
      <div class="in ro grow">
        <Icon name="lock" tone="muted" />
        <SecretLine secret={field.secret} brief={isBrief(form)} />
        {change && state === "received" && (
          <Button
            bare
            small
            class="within"
            aria-label={`Clear ${field.label}`}
            send="form.clear"
            content={{ form: form.key, field: field.name }}
          >
            Clear
          </Button>
        )}
      </div>
      {change && state === "stored" && (
        <Button onClick={replace} data-focus={field.name}>
          {/key$/i.test(field.label) ? "Replace key" : "Replace"}
        </Button>
      )}
    </div>
  );
}

interface InputProps extends Secret {
  inputRef: { current: HTMLInputElement | null };
  /** Go on with what is stored, where there is something. */
  leave?: () => void;
}

function SecretInput({ form, field, id, inputRef, leave }: InputProps) {
  const { model, send } = usePanel();
  const { multiline, name } = field;
  const take = (input: HTMLInputElement) => sendSecret(model, input, name, { form: form.key });
  const takeFile = (file: File | undefined) => {
    if (!file) return;
    if (file.size <= MOST_BYTES) sendFile(model, file, name, { form: form.key });
    else send("secret.failed", { name: "The file is larger than 64 kB, so it is not a key." });
  };
  const Tag = (multiline ? "textarea" : "input") as "input";
  const input = (
    <Tag
      ref={inputRef}
      {...saidOf(id, field.error)}
      class={`in m${multiline ? " masked" : ""}`}
      {...(multiline ? { rows: 3 } : { type: "password" })}
      autocomplete="off"
      autocapitalize="off"
      spellcheck={false}
      data-lpignore="true"
      data-1p-ignore=""
      placeholder={field.placeholder}
      aria-required={field.optional ? "false" : "true"}
      data-secret={name}
      data-focus={name}
      onChange={(e) => take(e.currentTarget)}
      onKeyDown={(e) => {
        if (e.key !== "Escape" || !leave) return;
        e.preventDefault();
        give(e.currentTarget, "");
        leave();
      }}
      onPaste={({ currentTarget }) => {
        if (multiline || currentTarget.value === "") setTimeout(() => take(currentTarget));
      }}
    />
  );
  const cancel = leave && (
    <Button bare onClick={leave}>
      Keep the old one
    </Button>
  );
  if (!multiline)
    return (
      <div class="row">
        {input}
        {cancel}
      </div>
    );
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: a file may be dropped, or chosen by a button
    <div
      class="stack x dropzone"
      onDragOver={(e) => e.preventDefault()}
      onDrop={(e) => {
        e.preventDefault();
        takeFile(e.dataTransfer?.files[0]);
      }}
    >
      {input}
      <div class="row">
        <FileButton accept=".json,application/json" take={([file]) => takeFile(file)}>
          Choose file
        </FileButton>
        {cancel}
        <span class="s muted">or drop the file here</span>
      </div>
    </div>
  );
}

/** `brief`: the connection lasts for this session only, so nothing is stored. */
export function SecretLine({ secret, brief }: { secret: SecretState; brief: boolean }) {
  if (secret.reference) {
    return (
      <span class="grow">
        Looked up at each use: <code>{secret.reference}</code>
      </span>
    );
  }
  const received = secret.state === "received";
  const ends: ComponentChildren = secret.tail && (
    <>
      , ends in <code>{secret.tail}</code>
    </>
  );
  return (
    <span class="grow">
      {received ? "Received" : brief ? "Kept for this session" : "Stored"}
      {ends}
      {received && ", not saved yet"}
    </span>
  );
}

/** Whose credentials arrived: names that are not secret. */
function AccountFacts({ field }: { field: SecretFieldState }) {
  if (!field.facts?.length) return null;
  return (
    <p class="row wrap s read" role="status">
      {field.facts.map(([name, said]) => (
        <span key={name}>
          <span class="muted">{name} </span>
          <code>{said}</code>
        </span>
      ))}
    </p>
  );
}

function KeyLink({ form }: { form: FormState }) {
  // The pages that Custom links to are of single servers, which presets name.
  if (form.kind === "custom") return null;
  const found = form.links.find((each) => /key|token|credential/i.test(each.text));
  return found ? <Link url={found.url}>{found.text}</Link> : null;
}
