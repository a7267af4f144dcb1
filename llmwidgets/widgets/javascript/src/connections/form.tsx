// The form of a connection: fields in three groups, buttons, and where to find what it asks.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Control, Field, Line, saidOf } from "../panel/controls";
import { usePanel } from "../panel/panel";
import { Button, Fold, Icon, Link, Note } from "../panel/parts";
import { Choice } from "../panel/tick";
import { OpenNote } from "../store/making";
import type { StorePanelState } from "../store/state";
import { KeepUntested } from "./check";
import { endpointHelp, PresetAddress } from "./presets";
import { Address, Prose } from "./prose";
import { isBrief, SecretField, SecretLine } from "./secret";
import { BackToKey, SignInChoice, SignInUse } from "./sign_in";
import type {
  BoolFieldState,
  FieldState,
  FormState,
  GroupState,
  HeadersFieldState,
  PriceFieldState,
  TextFieldState,
} from "./state";
import { readValues, sendHeader, submitForm } from "./submit";

type OfForm = { form: FormState };
type OfField<F extends FieldState> = OfForm & { field: F; id: string };

/** Send what stands in the form, as it is left. */
function useEdit(form: FormState): () => void {
  const panel = usePanel();
  return () => panel.send("form.edit", { form: form.key, values: readValues(panel.root) });
}

/** Everything that is asked, and the buttons below; `apart`, what is used without a key and the
    buttons are drawn elsewhere. */
export function FormBody({ form, apart }: OfForm & { apart?: boolean }) {
  return (
    <>
      <FormFields form={form} apart={apart} />
      <OpenNote />
      <Doubts form={form} />
      {!apart && <FormButtons form={form} />}
    </>
  );
}

function FormFields({ form, apart }: OfForm & { apart?: boolean }) {
  const { sign_in } = form;
  const fieldsOf = (name: GroupState["name"]) =>
    (form.groups.find((each) => each.name === name)?.fields ?? [])
      .filter((field) => !form.read_only || field.filled)
      .map((field) => <AnyField key={idOf(form, field.name)} form={form} field={field} />);
  const own = fieldsOf("sign_in");
  const folded = form.groups.filter(
    (each) =>
      each.name !== "main" &&
      each.name !== "sign_in" &&
      (!form.read_only || each.fields.some((field) => field.filled)),
  );
  return (
    <>
      {form.apart && (
        <div role="status">
          <Note icon="warn" title={form.apart} text="What you typed stays here." />
        </div>
      )}
      {form.key_notes.map(({ said, fix }) => (
        <Note key={said} icon="warn" title={said} text={fix} />
      ))}
      {fieldsOf("main")}
      {sign_in && <SignInChoice form={form} sign_in={sign_in} />}
      {own.length > 0 && <div class={own.length > 1 ? "pair" : ""}>{own}</div>}
      {sign_in?.keyless && !apart && <SignInUse sign_in={sign_in} />}
      {folded.map((group) => (
        <FoldedGroup key={`${form.key}:${group.name}`} form={form} group={group} />
      ))}
      {form.problem && (
        <p class="err" role="alert">
          {form.problem}
        </p>
      )}
      {form.hint && <p class="help">{form.hint}</p>}
      {form.warnings.map((said) => (
        <div key={said} class="s">
          <Note icon="warn" text={said} />
        </div>
      ))}
    </>
  );
}

function FoldedGroup({ form, group }: OfForm & { group: GroupState }) {
  const advanced = group.name === "advanced";
  const label: TextFieldState = {
    name: "label",
    label: "Label",
    optional: true,
    type: "text",
    value: form.typed_label,
    help: "How code and tables call this connection; by default the name above.",
    placeholder: "",
    error: "",
    choices: [],
    multiline: false,
    address: false,
    filled: false,
    lists: "",
  };
  return (
    <Fold title={group.title} about={advanced ? "advanced" : "optional"} open={group.open}>
      <div class="inside stack">
        {form.labelled && advanced && <AnyField key="label" form={form} field={label} />}
        {group.fields.map((field) => (
          <AnyField key={idOf(form, field.name)} form={form} field={field} />
        ))}
      </div>
    </Fold>
  );
}

function idOf(form: FormState, name: string): string {
  return `lw-${form.key}-${name}`.replace(/[^\w-]/g, "-");
}

function AnyField({ form, field }: OfForm & { field: FieldState }) {
  const id = idOf(form, field.name);
  if (field.type === "secret") return <SecretField form={form} field={field} id={id} />;
  if (form.read_only) return <ToldField field={field} />;
  if (field.type === "bool") return <BoolField form={form} field={field} id={id} />;
  if (field.type === "headers") return <HeadersField form={form} field={field} id={id} />;
  if (field.type === "price") return <PriceField form={form} field={field} id={id} />;
  return <TextField form={form} field={field} id={id} />;
}

/** A field of a connection that is provided: it is told, and not changed here. */
function ToldField({ field }: { field: FieldState }) {
  if (!field.filled) return null;
  return (
    <div class="field">
      <span class="label">{field.label}</span>
      <div class="in m ro">{toldValue(field)}</div>
    </div>
  );
}

export function toldValue(field: FieldState): string {
  if (field.type === "secret") return "";
  if (field.type === "headers") return field.rows.map((row) => row.name).join(", ");
  if (field.type === "bool") return "yes";
  if (field.type === "price") return `$${field.value?.input} in, $${field.value?.output} out`;
  return String(field.value);
}

/** A line of text, an address that may wrap, or a day: what the calendar sends is 2026-12-11. */
function TextField({ form, field, id }: OfField<TextFieldState>) {
  const panel = usePanel();
  const edit = useEdit(form);
  const choices = field.choices.length > 0 && `${id}-choices`;
  const kind = field.address
    ? { as: "textarea" as const, rows: 1, class: "in m" }
    : field.type === "date"
      ? { type: "date", class: "in day" }
      : { class: "in" };
  const address = field.name === "endpoint";
  const beside = address && form.preset?.own && `from ${form.preset.title}`;
  return (
    <Field
      id={id}
      label={field.label}
      beside={beside}
      optional={field.optional}
      help={(address && endpointHelp(form)) || field.help}
      error={field.error}
      after={address && <ReadFromIt form={form} />}
    >
      <div class={field.lists ? "row" : undefined}>
        <Control
          {...kind}
          {...saidOf(id, field.error)}
          {...(beside ? { "aria-describedby": `${id}-beside ${id}-line` } : {})}
          rev={form.rev}
          value={field.value ?? ""}
          placeholder={field.placeholder}
          list={choices || undefined}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          data-field={field.name}
          data-focus={field.name}
          aria-required={field.type === "date" ? undefined : field.optional ? "false" : "true"}
          onChange={edit}
        />
        {field.lists && (
          <Button
            aria-disabled={form.busy ? "true" : undefined}
            onClick={() =>
              panel.send("form.upstreams", { form: form.key, values: readValues(panel.root) })
            }
          >
            {field.lists}
          </Button>
        )}
      </div>
      {choices && (
        <datalist id={choices}>
          {field.choices.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </Field>
  );
}

/** What the pasted address was read as, what will be called, what in the form differs. */
function ReadFromIt({ form }: OfForm) {
  const { address } = form;
  return (
    <>
      <PresetAddress form={form} />
      {address && address.parts.length > 0 && (
        <p class="row wrap s read">
          <span class="muted">Read from it:</span>
          {address.parts.map(([name, said]) => (
            <span key={name}>
              <span class="muted">{name} </span>
              {name === "format" ? (
                said
              ) : (
                <code class={name === "deployment" ? "b" : ""}>{said}</code>
              )}
            </span>
          ))}
        </p>
      )}
      {address && (
        <p class="s read">
          <span class="muted">Calls </span>
          <Address>{address.calls}</Address>
        </p>
      )}
      {!form.report?.fix.length &&
        form.notes.map((said) => (
          <p key={said} class="s tone-warn">
            {said}
          </p>
        ))}
    </>
  );
}

function BoolField({ form, field, id }: OfField<BoolFieldState>) {
  return (
    <div class="field">
      <Choice
        checked={Boolean(field.value)}
        onTick={useEdit(form)}
        data-field={field.name}
        data-focus={field.name}
        aria-describedby={`${id}-line`}
      >
        {field.label}
      </Choice>
      <Line id={id} help={field.help} error={field.error} />
    </div>
  );
}

function Group({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <fieldset class="field">
      <legend class="label">
        {label}
        <i> optional</i>
      </legend>
      {children}
    </fieldset>
  );
}

function PriceField({ form, field, id }: OfField<PriceFieldState>) {
  const edit = useEdit(form);
  return (
    <Group label={field.label}>
      <div class="row price">
        {(["input", "output"] as const).map((part) => (
          <>
            <label for={`${id}-${part}`} class="muted">
              {part} $
            </label>
            <Control
              {...saidOf(id, field.error)}
              id={`${id}-${part}`}
              inputMode="decimal"
              rev={form.rev}
              value={String(field.value?.[part] ?? "")}
              placeholder="0.00"
              autocomplete="off"
              data-field={field.name}
              data-part={part}
              onChange={edit}
            />
          </>
        ))}
      </div>
      <Line id={id} help={field.help} error={field.error} />
    </Group>
  );
}

/** Header values are secrets: a name, a value that leaves at once, then a line per header. */
function HeadersField({ form, field, id }: OfField<HeadersFieldState>) {
  const panel = usePanel();
  const row = useRef<HTMLDivElement>(null);
  const add = () => {
    sendHeader(panel, form, row.current!);
    row.current?.querySelector("input")?.focus();
  };
  const onKeyDown = (e: KeyboardEvent) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    e.stopPropagation();
    add();
  };
  return (
    <Group label={field.label}>
      {field.rows.map((header) => (
        <div key={header.name} class="in ro">
          <Icon name="lock" tone="muted" />
          <code>{header.name}</code>
          <SecretLine secret={header} brief={isBrief(form)} />
          <Button
            bare
            small
            class="within"
            aria-label={`Remove the header ${header.name}`}
            send="form.clear"
            content={{ form: form.key, field: field.name, header: header.name }}
          >
            Remove
          </Button>
        </div>
      ))}
      <div class="row newheader" ref={row}>
        <input
          class="in m"
          id={id}
          type="text"
          placeholder="X-Gateway-Team"
          aria-label="Name of the header"
          autocomplete="off"
          onKeyDown={onKeyDown}
        />
        <input
          class="in m"
          type="password"
          placeholder="value"
          aria-label="Value of the header"
          autocomplete="off"
          data-lpignore="true"
          onKeyDown={onKeyDown}
        />
        <Button onClick={add}>Add</Button>
      </div>
      <Line id={id} help={field.help} error={field.error} />
    </Group>
  );
}

/** A key that looks like another provider's was not sent to anyone: say so, offer both ways. */
function Doubts({ form }: OfForm) {
  const panel = usePanel();
  if (!form.doubts.length) return null;
  return (
    <div class="callout warn stack t" role="alert">
      <div class="note">
        <Icon name="warn" tone="warn" />
        {form.doubts.map((said) => (
          <p key={said} class="b">
            {said}
          </p>
        ))}
        <p>Nothing was sent.</p>
        <div class="row wrap act">
          {form.owners.map(({ kind, title }) => (
            <Button key={kind} go send="connections.move" content={{ form: form.key, kind }}>
              Use it for {title}
            </Button>
          ))}
          <Button
            onClick={() =>
              submitForm(panel, form, "form.test", { intent: form.intent, certain: true })
            }
          >
            Test it as it is
          </Button>
        </div>
      </div>
    </div>
  );
}

/** The buttons under the form, and what the step costs. */
export function FormButtons({ form }: OfForm) {
  const panel = usePanel<StorePanelState>();
  const test = (intent: string) => () => submitForm(panel, form, "form.test", { intent });
  const { sign_in } = form;
  const refused = form.report && !form.report.ok;
  const failed = Boolean(refused && form.report?.fix.length);
  // What signs in without a key can be mended elsewhere: the same test is the step that leads on.
  const waits = Boolean(refused && !failed && sign_in?.keyless);
  const settled = form.origin && !failed && !waits;
  const busy = Boolean(form.busy);
  return (
    <div class="row wrap">
      <Button
        go={!settled && !failed && !form.doubts.length}
        onClick={test(isBrief(form) ? "session" : waits ? form.intent : "save")}
        data-focus="test"
        data-main="1"
        aria-disabled={busy ? "true" : undefined}
      >
        {form.read_only ? "Test" : form.origin || waits ? "Test again" : "Test and save"}
      </Button>
      {!busy && !waits && !form.origin && !panel.state?.store.memory && (
        <Button onClick={test("session")}>Use for this session only</Button>
      )}
      {!busy && form.origin === "session" && (
        <Button onClick={test("save")}>Save in the store</Button>
      )}
      {!busy && refused && sign_in?.keyless && <KeepUntested form={form} untested />}
      <span class={waits && !busy ? "" : "s muted cost"} role="status">
        {busy ? (
          <>
            <Icon name="busy" /> {form.busy}…
          </>
        ) : (
          !waits && form.costs
        )}
      </span>
      {refused && sign_in?.back && !form.read_only && <BackToKey form={form} sign_in={sign_in} />}
    </div>
  );
}

/** Links and numbered steps: where an account, a key, an address comes from. */
export function WhereToFind({ form }: OfForm) {
  if (!form.links.length && !form.steps.length) return null;
  return (
    <div class="stack t guide">
      {form.steps.length > 0 && (
        <ol>
          {form.steps.map((step) => (
            <li key={step}>
              <Prose text={step} />
            </li>
          ))}
        </ol>
      )}
      {form.links.length > 0 && (
        <p class="row wrap s">
          {form.links.map(({ text, url }) => (
            <Link key={text} url={url}>
              {text}
            </Link>
          ))}
        </p>
      )}
    </div>
  );
}

export function GuideFold({ form }: OfForm) {
  return (
    <Fold title="Where to find it">
      <div class="inside">
        <WhereToFind form={form} />
      </div>
    </Fold>
  );
}
