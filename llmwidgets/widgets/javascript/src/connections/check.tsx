// What a check found: the good news with models and prices, or what is wrong and what mends it.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Button, copied, Failed, Fold, Note, plural, Tag, TextButton } from "../panel/parts";
import { Table } from "../panel/table";
import { Choice } from "../panel/tick";
import { Prose } from "./prose";
import type { FormState, ModelRow, ModeState, ReportState, RequestState } from "./state";

type OfForm = { form: FormState };

const FEW_MODELS = 5;
const MOST_TICKED = 12;

export function CheckResult({ form }: OfForm) {
  return (
    <>
      <CheckVerdict form={form} />
      <CheckDetails form={form} />
    </>
  );
}

/** What a check found, in a sentence or two. */
export function CheckVerdict({ form }: OfForm) {
  const { report, mode } = form;
  return (
    <div class="stack t result" role="status" aria-live="polite">
      {report?.ok && <GoodNews form={form} report={report} />}
      {report && !report.ok && <BadNews form={form} report={report} />}
      {!report && form.said && <Note icon="ok" title={form.said} />}
      {form.endings.map((end) => (
        <Note
          key={end.text}
          icon="warn"
          text={
            <>
              {end.models.map((model, n) => (
                <>
                  {n === 0 ? "" : n === end.models.length - 1 ? " and " : ", "}
                  <code>{model}</code>
                </>
              ))}{" "}
              {end.text}
              {end.successor && (
                <>
                  {" "}
                  <code>{end.successor}</code> replaces it.
                </>
              )}
            </>
          }
        />
      ))}
      {report?.notes.map((said) => (
        <Note key={said} icon="warn" text={said} />
      ))}
      {mode && (
        <Note icon={mode.icon} title={mode.sentence}>
          {mode.text && <p class="muted">{mode.text}</p>}
        </Note>
      )}
    </div>
  );
}

/** The tables behind it: what was tried, the models, the requests. */
export function CheckDetails({ form }: OfForm) {
  const { mode } = form;
  return (
    <>
      {mode && mode.tried.length > 0 && <Probe mode={mode} />}
      {form.origin && form.rows && form.rows.length > 0 && (
        <Models key={form.key} form={form} rows={form.rows} />
      )}
      {form.listed.length > 0 ? (
        <ListedModels key={`listed:${form.key}`} form={form} />
      ) : (
        form.added && <Note icon="ok" text={form.added} />
      )}
      {form.origin && form.may_allow && form.off_whitelist.length > 0 && (
        <OffWhitelist form={form} />
      )}
      {form.requests.shown.length > 0 && <Requests key={`requests:${form.key}`} form={form} />}
    </>
  );
}

/** How long a check took, as it is read: " under 0.1 s", " 2.4 s", " 12 s". */
export function seconds(said: number | null): string {
  if (!said) return "";
  if (said < 0.1) return " under 0.1 s";
  return ` ${said < 10 ? said.toFixed(1) : Math.round(said)} s`;
}

function GoodNews({ form, report }: OfForm & { report: ReportState }) {
  return (
    <>
      <Note
        icon="ok"
        title={form.said || report.title}
        text={
          <>
            {form.said && `${report.title} `}
            <Prose text={report.text} />
            <span class="muted nw">{seconds(report.seconds)}</span>
          </>
        }
      />
      {report.hint && (
        <p class="indent muted">
          <Prose text={report.hint} />
        </p>
      )}
    </>
  );
}

function BadNews({ form, report }: OfForm & { report: ReportState }) {
  const { refused, key } = form;
  const fixes = report.fix.length > 0;
  const [open, setOpen] = useState(false);
  const [said, setSaid] = useState("");
  const copy = async () =>
    setSaid((await copied(report.command)) ? "Copied." : "Select and copy it.");
  return (
    <>
      {form.said && <Note icon="info" title={form.said} />}
      <div class="callout fail stack t" role="alert">
        <Failed sentence={report.title.replace(/\.$/, "")} hint={report.text}>
          {report.hint && (
            <p class={report.command ? "muted" : ""}>
              <Prose text={report.hint} />
            </p>
          )}
          {fixes && (
            <div class="swap">
              {report.fix.map((each) => (
                <>
                  <span class="k">{each.label}</span>
                  <span>
                    <span class="old">{each.old}</span> → <span class="new">{each.new}</span>
                  </span>
                </>
              ))}
            </div>
          )}
          <div class="row wrap act">
            {refused?.allow && form.may_allow && (
              <Button go send="form.allow" content={{ form: key, model: refused.model }}>
                Allow {refused.model} for this organization
              </Button>
            )}
            {fixes && (
              <Button go data-focus="fix" data-next="1" send="form.fix" content={{ form: key }}>
                {report.apply}
              </Button>
            )}
            {report.command && (
              <Button small onClick={copy}>
                Copy the command for the owner
              </Button>
            )}
            {!form.sign_in?.keyless && <KeepUntested form={form} />}
            {!form.may_keep && !form.read_only && (
              <span class="s muted">The connection that worked is kept as it was.</span>
            )}
            <span class="s muted nw end">
              {report.code}
              {report.code && report.details.length > 0 && " · "}
              {report.details.length > 0 && (
                <TextButton aria-expanded={open} onClick={() => setOpen(!open)}>
                  {open ? "less" : "details"}
                </TextButton>
              )}
            </span>
          </div>
        </Failed>
        {said && (
          <div class="stack x" role="status">
            <pre class="wire" tabIndex={0}>
              {report.command}
            </pre>
            <p class="s muted">{said}</p>
          </div>
        )}
        {open && (
          <dl class="details s">
            {report.details.map(([name, said]) => (
              <>
                <dt class="muted">{name}</dt>
                <dd class="m">{said}</dd>
              </>
            ))}
          </dl>
        )}
      </div>
    </>
  );
}

/** Keep a connection whose test failed; `untested` says so, where the test can pass later. */
export function KeepUntested({ form, untested }: OfForm & { untested?: boolean }) {
  if (!form.may_keep || form.said) return null;
  const how = untested ? "untested" : "anyway";
  return (
    <Button bare send="form.keep" content={{ form: form.key }}>
      {form.intent === "session" ? `Use it ${how}, this session` : `Save ${how}`}
    </Button>
  );
}

/** What the server did with each form of the request. */
function Probe({ mode }: { mode: ModeState }) {
  const obeyed = (row: ModeState["tried"][number]): ComponentChildren => {
    if (!row.accepted || !row.schema) return "–";
    return row.obeyed ? (
      <span class="tone-ok">= obeyed</span>
    ) : (
      <span class="tone-warn b">≠ ignored</span>
    );
  };
  return (
    <Table
      class="flush probe"
      caption="Probe with a schema that only an enforcing server obeys"
      head={[{ text: "Form of the request" }, { text: "Server" }, { text: "Schema", right: true }]}
      rows={mode.tried.map((row) => ({
        key: row.form,
        cells: [
          <code>{row.form}</code>,
          <>
            {row.said}
            {row.used && (
              <>
                {" "}
                <Tag>used</Tag>
              </>
            )}
          </>,
          obeyed(row),
        ],
      }))}
    />
  );
}

/** Of how many rows each note is: one reason for several models in turn is told once. */
export function spanNotes(rows: readonly ModelRow[]): number[] {
  const spans = rows.map(() => 1);
  for (let n = rows.length - 1; n > 0; n -= 1) {
    const [above, row] = [rows[n - 1], rows[n]];
    if (!row.off || !above.off || !row.note || row.allow || above.allow || row.note !== above.note)
      continue;
    spans[n - 1] += spans[n];
    spans[n] = 0;
  }
  return spans;
}

function Models({ form, rows }: OfForm & { rows: ModelRow[] }) {
  const [all, setAll] = useState(false);
  const shown = all || rows.length <= FEW_MODELS + 1 ? rows : rows.slice(0, FEW_MODELS);
  const hidden = rows.length - shown.length;
  const spans = spanNotes(shown);
  const allow = ({ model }: ModelRow) => (
    <TextButton
      aria-label={`Allow ${model} for this organization`}
      send="form.allow"
      content={{ form: form.key, model }}
    >
      Allow
    </TextButton>
  );
  return (
    <div>
      <Table
        class="flush models"
        head={[
          { text: "Model" },
          { text: "Reply" },
          { text: "$ per 1M tokens, in / out", right: true },
          { text: "Note" },
        ]}
        rows={shown.map((row, n) => ({
          key: row.model,
          off: row.off,
          span: spans[n],
          cells: [
            <code>{row.model}</code>,
            row.reply,
            <span class="nw">{row.price}</span>,
            <>
              <span class={row.loud ? "tone-warn b" : ""}>{row.note}</span>
              {row.allow && form.may_allow && <> {allow(row)}</>}
            </>,
          ].slice(0, spans[n] ? 4 : 3),
        }))}
      />
      {hidden > 0 && (
        <p class="s more">
          <TextButton
            onClick={() => setAll(true)}
          >{`Show ${hidden} more ${plural(hidden, "model")}`}</TextButton>
        </p>
      )}
      <p class="s muted">{form.facts_of}</p>
    </div>
  );
}

/** Other models of a Custom server, to be connected together; the user ticks which. */
function ListedModels({ form }: OfForm) {
  const { listed } = form;
  const [ticked, setTicked] = useState(() => (listed.length <= MOST_TICKED ? listed : []));
  const chosen = listed.filter((model) => ticked.includes(model));
  const every = chosen.length === listed.length;
  return (
    <div class="stack t">
      {form.added && <Note icon="ok" text={form.added} />}
      <div class="row wrap">
        <h3>{`This server lists ${listed.length} more ${plural(listed.length, "model")}`}</h3>
        <span class="grow" />
        {listed.length > 1 && (
          <TextButton onClick={() => setTicked(every ? [] : listed)}>
            {every ? "Untick all" : "Tick all"}
          </TextButton>
        )}
      </div>
      <ul class="ticks" aria-label="Models that this server lists">
        {listed.map((model) => (
          <li key={model}>
            <Choice
              checked={ticked.includes(model)}
              onTick={(on) =>
                setTicked((before) =>
                  on ? [...before, model] : before.filter((each) => each !== model),
                )
              }
            >
              <code>{model}</code>
            </Choice>
          </li>
        ))}
      </ul>
      <div class="row wrap">
        <Button
          disabled={!chosen.length}
          send="form.add_listed"
          content={{ form: form.key, models: chosen }}
        >
          {chosen.length ? `Add ${chosen.length} ${plural(chosen.length, "model")}` : "Add models"}
        </Button>
        <span class="s muted">
          {form.origin === "store"
            ? "Saved beside this one, with the same key if there is one; none is called now."
            : "For this session, with the same key if there is one; none is called now."}
        </span>
      </div>
    </div>
  );
}

/** Models that the key may use and the whitelist does not hold. */
function OffWhitelist({ form }: OfForm) {
  const models = form.off_whitelist;
  return (
    <Fold
      title={`${models.length} more ${plural(models.length, "model")} that this key can use`}
      about="not on the whitelist"
    >
      <ul class="inside ticks">
        {models.map((model) => (
          <li key={model} class="row">
            <code class="grow">{model}</code>
            <TextButton
              aria-label={`Allow ${model} for this organization`}
              send="form.allow"
              content={{ form: form.key, model }}
            >
              Allow for this organization
            </TextButton>
          </li>
        ))}
      </ul>
    </Fold>
  );
}

/** What was sent, secrets cut, and the same as a command line. */
function Requests({ form }: OfForm) {
  const { shown, before } = form.requests;
  const count = shown.length + before;
  return (
    <Fold title={count === 1 ? "Request" : `${count} requests`} about="of this test, secrets cut">
      <div class="inside stack">
        {before > 0 && <p class="s muted">{`The last ${shown.length} of them.`}</p>}
        {shown.map((each, n) => (
          <Request key={`${n}:${each.line}`} request={each} />
        ))}
      </div>
    </Fold>
  );
}

function Request({ request }: { request: RequestState }) {
  const [said, setSaid] = useState("");
  const word = request.curl.includes("{TOKEN}")
    ? "$TOKEN stands for the token."
    : "$KEY stands for the key.";
  const copy = async () =>
    setSaid((await copied(request.curl)) ? `Copied. ${word}` : "Select and copy it.");
  return (
    <div class="stack x">
      <div class="row wrap">
        <code class="grow wire-line">{request.line}</code>
        <Button small onClick={copy} aria-label={`Copy as curl: ${request.line}`}>
          Copy as curl
        </Button>
      </div>
      <pre class="wire" tabIndex={0}>
        {said ? request.curl : request.text}
      </pre>
      {said && (
        <p class="s muted" role="status">
          {said}
        </p>
      )}
    </div>
  );
}
