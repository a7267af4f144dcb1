// The screen on which a store is kept: what opens it, who, copies elsewhere, backups.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { NameRow, Select } from "../panel/controls";
import { FileButton } from "../panel/file";
import { give } from "../panel/page";
import { focusOn, usePanel } from "../panel/panel";
import { Button, copied, listWords, Note, plural } from "../panel/parts";
import { inOrder, sendSecret } from "../panel/sealing";
import { Table } from "../panel/table";
import { Choice } from "../panel/tick";
import { GateField, type OfStore, PlainField, typed } from "./fields";
import { Step } from "./making";
import type { PreviewState, SettingsState } from "./state";

const IDLE = [
  ["60", "after 60 idle minutes"],
  ["15", "after 15 idle minutes"],
  ["0", "never by itself"],
] as const;
const ACTION = { text: "Action", right: true };
/** More than a notebook server takes in one message would end the connection to it. */
const MOST_BYTES = 2_000_000;
const FILE_HELP = "of this computer; it goes to the kernel as it is, sealed";
const NEW = "\u0000new";

type Settings = { settings: SettingsState };

/** The organization in the header; a menu where its store lies in the usual place. */
export function OrganizationChoice({ store }: OfStore) {
  const panel = usePanel();
  const [naming, setNaming] = useState(false);
  if (!store.organizations?.length) return <span class="s muted">{store.organization}</span>;
  const turnTo = (name: string) => panel.send("store.organization", { name });
  const leave = () => {
    setNaming(false);
    focusOn(panel, "organization");
  };
  if (naming) {
    return (
      <NameRow
        label="Name of the new organization"
        action="Open"
        small
        placeholder="acme"
        data-focus="newname"
        take={(name) => name && turnTo(name)}
        leave={leave}
      />
    );
  }
  const options = store.organizations.map((each) => [each, each] as const);
  return (
    <Select
      class="in bare"
      value={store.organization}
      options={[...options, [NEW, "New organization…"]]}
      aria-label="Organization"
      data-focus="organization"
      onPick={(value, { currentTarget }) => {
        if (value !== NEW) {
          turnTo(value);
          return;
        }
        currentTarget.value = store.organization;
        setNaming(true);
        focusOn(panel, "newname");
      }}
    />
  );
}

export function SettingsButton({ store }: OfStore) {
  const { send } = usePanel();
  const open = store.gate === "store";
  return (
    <Button
      small
      bare
      data-focus="settings"
      onClick={() => (open ? send("store.screen", { screen: "" }) : send("settings.open"))}
    >
      {open ? "Back to the connections" : "Store…"}
    </Button>
  );
}

export function StoreSettings({ store }: OfStore) {
  const { settings } = store;
  if (!settings) {
    return (
      <p class="body muted" role="status">
        {store.locked
          ? "The store was locked meanwhile: nothing typed here was taken or kept. Unlock it to go on."
          : "Reading the store…"}
      </p>
    );
  }
  const { asks } = settings.opening;
  return (
    <div>
      <Step
        title="What opens it"
        about={
          <>
            The passphrase, and what you let remember it. <code>{store.path}</code>
          </>
        }
      >
        <OpeningPart settings={settings} />
      </Step>
      {asks && (
        <Step title="Passphrase" about="Asked for once per session, stored nowhere.">
          <PassphrasePart settings={settings} />
        </Step>
      )}
      <Step
        title="Members"
        about="Everyone who can open the store. Fingerprints are compared by voice."
      >
        <MembersPart settings={settings} />
      </Step>
      <Step title="Backups" about="The three files saved before the one now.">
        <BackupsPart settings={settings} />
      </Step>
      <Step title="Carry elsewhere" about="To another computer or a Hub: one sealed file.">
        <ExportPart settings={settings} />
      </Step>
      <Step title="Bring here" about="Looked at first; nothing is saved before you tick it.">
        <ImportPart settings={settings} />
      </Step>
      {asks && (
        <Step
          title="New identity"
          about="For when the identity leaked: a copy of the folder together with its passphrase."
        >
          <IdentityPart settings={settings} />
        </Step>
      )}
    </div>
  );
}

/** What came of the last step of a part, in its place. */
function LastStep({ settings, part }: Settings & { part: string }) {
  const said = settings.told[part];
  const fail = said?.state === "fail";
  return (
    <div role={fail ? "alert" : "status"} class={said ? "" : "quiet"}>
      {said &&
        (fail ? (
          <Note icon="fail" title={said.sentence} text={said.hint} />
        ) : (
          <Note icon={said.state} text={said.sentence} />
        ))}
    </div>
  );
}

/** The words of a button, or what it is doing. */
function label(settings: SettingsState, part: string, words: string, busy: string): string {
  return settings.working === part ? busy : words;
}

function OpeningPart({ settings }: Settings) {
  const { send } = usePanel();
  const { opening } = settings;
  return (
    <>
      {opening.places.map(({ place, words, where, on }) => (
        <Choice
          key={place}
          checked={on}
          onTick={(now) => send("settings.remember", { place, on: now })}
        >
          {words} <span class="muted">{where}</span>
        </Choice>
      ))}
      {!opening.places.length && (
        <p class="s muted">
          No system keyring that encrypts is at hand here, and no Jupyter server to remember it
          until it stops.
        </p>
      )}
      {opening.asks && (
        <>
          <label class="row">
            Lock
            <Select
              class="in auto"
              value={String(opening.auto_lock)}
              options={IDLE}
              onPick={(value) => send("settings.auto_lock", { minutes: Number(value) })}
            />
          </label>
          <p class="s muted">
            Only what a passphrase opened locks by itself, and never during a run.
          </p>
        </>
      )}
      <p class="s muted">
        Your recipient, to be invited elsewhere: <code class="whole">{opening.recipient}</code>
      </p>
      <LastStep settings={settings} part="opening" />
    </>
  );
}

interface SecretRowProps {
  fields: [name: string, label: string][];
  button: string;
  act: () => void;
}

/** Passphrases and the step that takes them; one that is to be typed twice ends in `-again`. */
function SecretRow({ fields, button, act }: SecretRowProps) {
  const panel = usePanel();
  const [unlike, setUnlike] = useState("");
  const send = () => {
    const again = fields.map(([name]) => name).find((name) => name.endsWith("-again"));
    const wrong =
      again && typed(panel, again).value !== typed(panel, again.replace("-again", "")).value;
    setUnlike(wrong ? again : "");
    if (wrong) return;
    for (const [name] of fields) {
      if (name === again) give(typed(panel, name), "");
      else sendSecret(panel.model, typed(panel, name), name);
    }
    inOrder(panel.model, act);
  };
  return (
    <>
      <div class="fields">
        {fields.map(([name, words]) => (
          <GateField
            key={name}
            name={name}
            label={words}
            onEnter={send}
            error={unlike === name ? "The two are not the same." : ""}
          />
        ))}
      </div>
      <div class="row">
        <Button onClick={send}>{button}</Button>
      </div>
    </>
  );
}

function PassphrasePart({ settings }: Settings) {
  const { send } = usePanel();
  const fields: [string, string][] = [
    ["new", "New passphrase"],
    ["new-again", "The same again"],
  ];
  if (settings.opening.needs_old) fields.unshift(["old", "Passphrase now"]);
  return (
    <>
      <LastStep settings={settings} part="passphrase" />
      <SecretRow
        fields={fields}
        act={() => send("settings.change_passphrase")}
        button={label(settings, "passphrase", "Change passphrase", "Changing…")}
      />
    </>
  );
}

function MembersPart({ settings }: Settings) {
  const panel = usePanel();
  const [parting, setParting] = useState("");
  const invite = () =>
    panel.send("settings.invite", {
      name: typed(panel, "member").value,
      recipient: typed(panel, "recipient").value,
    });
  const action = (name: string): ComponentChildren =>
    parting === name ? (
      <span class="row wrap">
        <Button
          small
          onClick={() => {
            setParting("");
            panel.send("settings.remove_member", { name });
          }}
        >
          Remove {name}
        </Button>
        <Button small bare onClick={() => setParting("")}>
          Keep
        </Button>
      </span>
    ) : (
      <Button small bare aria-label={`Remove ${name}`} onClick={() => setParting(name)}>
        Remove…
      </Button>
    );
  return (
    <>
      <Table
        head={[{ text: "Name" }, { text: "Fingerprint" }, ACTION]}
        rows={settings.members.map(({ name, you, fingerprint, fixed }) => ({
          key: name,
          cells: [
            <>
              {name}
              {you && <span class="muted"> (you)</span>}
            </>,
            <code>{fingerprint}</code>,
            fixed ? "" : action(name),
          ],
        }))}
      />
      <LastStep settings={settings} part="members" />
      {settings.invitation && <Invitation text={settings.invitation} />}
      <div class="fields">
        <PlainField name="member" label="Name" placeholder="Mara" />
        <PlainField name="recipient" label="Their public key" placeholder="age1…" />
      </div>
      <div class="row wrap">
        <Button onClick={invite}>{label(settings, "members", "Invite", "Sealing…")}</Button>
        <span class="s muted">
          They make it with <code>age-keygen</code> and send you the line that starts with age1.
        </span>
      </div>
    </>
  );
}

/** The lines that an invited person runs, to be sent as they are. */
function Invitation({ text }: { text: string }) {
  const [said, setSaid] = useState("It holds no secret.");
  const copy = async () => setSaid((await copied(text)) ? "Copied." : "Select and copy it.");
  return (
    <div class="stack x">
      <pre class="wire" tabIndex={0} role="group" aria-label="Invitation">
        {text}
      </pre>
      <div class="row">
        <Button small onClick={copy}>
          Copy the invitation
        </Button>
        <span class="s muted" role="status">
          {said}
        </span>
      </div>
    </div>
  );
}

function BackupsPart({ settings }: Settings) {
  const holds = (n: number | null) =>
    n === null ? "sealed to an earlier identity, or damaged" : `${n} ${plural(n, "connection")}`;
  return (
    <>
      {settings.backups.length === 0 ? (
        <p class="muted">None yet: the next save keeps what is there now.</p>
      ) : (
        <Table
          head={[{ text: "Saved" }, { text: "Holds" }, ACTION]}
          rows={settings.backups.map(({ name, saved, connections }) => ({
            key: name,
            cells: [
              saved,
              holds(connections),
              connections !== null && (
                <Button
                  small
                  aria-label={`Go back to the backup of ${saved}`}
                  send="settings.restore"
                  content={{ backup: name }}
                >
                  Go back to it
                </Button>
              ),
            ],
          }))}
        />
      )}
      <LastStep settings={settings} part="backups" />
    </>
  );
}

function ExportPart({ settings }: Settings) {
  const panel = usePanel();
  const send = () => {
    sendSecret(panel.model, typed(panel, "export"), "export");
    inOrder(panel.model, () =>
      panel.send("settings.export", {
        path: typed(panel, "export-path").value,
        recipient: typed(panel, "export-to").value,
      }),
    );
  };
  return (
    <>
      <div class="fields">
        <PlainField
          name="export-path"
          label="File to write"
          placeholder="~/connections-to-go.age"
        />
        <GateField name="export" label="Sealed to a passphrase" onEnter={send} optional />
        <PlainField name="export-to" label="or to a recipient" placeholder="age1…" />
      </div>
      <div class="row">
        <Button onClick={send}>{label(settings, "export", "Export", "Sealing…")}</Button>
      </div>
      <LastStep settings={settings} part="export" />
    </>
  );
}

function ImportPart({ settings }: Settings) {
  const panel = usePanel();
  /** One of the computer before which the person sits; else one is named where the kernel runs. */
  const [file, setFile] = useState<File | null>(null);
  const [said, setSaid] = useState(FILE_HELP);
  const take = (chosen: File | undefined) => {
    if (!chosen) return;
    const small = chosen.size <= MOST_BYTES;
    setSaid(small ? FILE_HELP : `${chosen.name} is larger than 2 MB: no export of a store is.`);
    if (small) setFile(chosen);
  };
  const send = () => {
    sendSecret(panel.model, typed(panel, "import"), "import");
    inOrder(panel.model, async () => {
      const path = file?.name ?? typed(panel, "import-path").value;
      panel.send("settings.preview", { path }, file ? [await file.arrayBuffer()] : []);
    });
  };
  return (
    <>
      <div class="fields">
        {file ? (
          <div class="field">
            <span class="label">Exported file</span>
            <div class="in ro">
              <span class="grow">{file.name}</span>
              <Button bare small class="within" onClick={() => setFile(null)}>
                Clear
              </Button>
            </div>
          </div>
        ) : (
          <PlainField
            name="import-path"
            label="Exported file, where the kernel runs"
            placeholder="~/connections-to-go.age"
          />
        )}
        <GateField name="import" label="Its passphrase, if it has one" onEnter={send} optional />
      </div>
      <div class="row wrap">
        <Button onClick={send}>{label(settings, "import", "Look into it", "Opening…")}</Button>
        <FileButton accept=".age" take={([chosen]) => take(chosen)}>
          Choose file
        </FileButton>
        <span class="s muted" role="status">
          {said}
        </span>
      </div>
      <LastStep settings={settings} part="import" />
      {settings.preview && <Preview preview={settings.preview} />}
    </>
  );
}

function Preview({ preview }: { preview: PreviewState }) {
  const [ticked, setTicked] = useState(() =>
    preview.rows.filter((each) => each.new).map((each) => each.label),
  );
  const tick = (label: string, on: boolean) =>
    setTicked((before) => (on ? [...before, label] : before.filter((each) => each !== label)));
  const head = ["Connection", "Kind", "Host", "Key", "Here"].map((text) => ({ text }));
  return (
    <div class="stack t">
      {preview.caution && <Note icon="warn" text={preview.caution} />}
      <Table
        head={head}
        rows={preview.rows.map(({ label: name, kind, host, tail, sign_in, state }) => ({
          key: name,
          cells: [
            <Choice checked={ticked.includes(name)} onTick={(on) => tick(name, on)}>
              {name}
            </Choice>,
            kind,
            host,
            tail ? <code>…{tail}</code> : sign_in,
            state,
          ],
        }))}
      />
      {preview.unreadable.length > 0 && (
        <Note icon="warn" text={`This version cannot read ${listWords(preview.unreadable)}.`} />
      )}
      <div class="row">
        <Button disabled={!ticked.length} send="settings.take" content={{ labels: ticked }}>
          {`Save ${ticked.length} ${plural(ticked.length, "connection")}`}
        </Button>
      </div>
    </div>
  );
}

function IdentityPart({ settings }: Settings) {
  const { send } = usePanel();
  return (
    <>
      <p>
        The store is sealed to a new identity and its backups are deleted. Keys that leaked must
        still be revoked at their providers; they are named afterwards.
      </p>
      <SecretRow
        fields={[["identity", "Passphrase"]]}
        act={() => send("settings.new_identity")}
        button={label(settings, "identity", "Make a new identity", "Sealing…")}
      />
      <LastStep settings={settings} part="identity" />
    </>
  );
}
