// Before the run: what is asked of whom, what it costs, where it stops.

import { useRef } from "preact/hooks";
import { Control } from "../../panel/controls";
import { FileButton } from "../../panel/file";
import { inHand } from "../../panel/page";
import { Alert, Button, Failed, Fold, TextButton } from "../../panel/parts";
import type { PanelError } from "../../panel/protocol";
import { Aside, Head, Heading, Heads, Labelled, Matters, Muted, Row, Small } from "../parts";
import type { OptionsView, SchemaView, Sentence, Setup, TextsView } from "../state";
import { useKept, useView } from "../view";
import { megabytes } from "../words";
import { Columns } from "./columns";
import { Embedded } from "./embedded";
import { Models } from "./models";

const FIELDS_SHOWN = 6;
/** What a notebook server takes in one message is 10 MiB; beyond, it hangs up without a word. */
const MOST_BYTES = 10_000_000;
const OF_TEXTS = ["setup.files", "setup.paste", "setup.column"];
const FILES =
  ".txt,.md,.pdf,.csv,.tsv,.tab,.json,.jsonl,.ndjson,.gz,.xlsx,.xlsm,.parquet,text/plain";

interface Props {
  setup: Setup;
  back: string;
  runs: string;
  error: PanelError | null;
}

export function SetupScreen({ setup, back, runs, error }: Props) {
  const view = useView();
  const { empty, schema, texts, options } = setup;
  const budget = view.panel.root.querySelector<HTMLInputElement>("[data-focus=budget]");
  const problems = setup.problems.filter(({ where }) => where !== "store");
  const locked = setup.problems.find(({ where }) => where === "store");
  const ofTexts = OF_TEXTS.includes(error?.of ?? "");
  return (
    <>
      <Head title="Comparison" facts={<Aside>{setup.said}</Aside>}>
        {back && (
          <Button bare small send="run.back">
            {back}
          </Button>
        )}
        {runs && (
          <Button bare small data-focus="runs" send="runs.open">
            {runs}
          </Button>
        )}
        {setup.code && (
          <Button bare small data-focus="code" send="result.code">
            Copy as code
          </Button>
        )}
      </Head>
      <Alert error={ofTexts ? null : error} />
      {problems.length > 0 && (
        <div class="body stack t lw-problems" role="alert">
          {problems.map(({ where, action, ...said }) => (
            <Failed key={where} {...said}>
              {action && (
                <div class="row">
                  <Button small onClick={() => view.send(action.type, action.content)}>
                    {action.label}
                  </Button>
                </div>
              )}
            </Failed>
          ))}
        </div>
      )}
      {locked && <Locked {...locked} />}
      <Embedded />
      <div class="cols lw-setup">
        {empty ? <NoModels {...empty} /> : <Models setup={setup} />}
        <div class="body stack">
          {schema && <Schema schema={schema} />}
          {texts && <Texts texts={texts} error={ofTexts ? error : null} />}
          <Options options={options} />
        </div>
      </div>
      {(!empty || inHand(budget)) && <Foot setup={setup} />}
    </>
  );
}

/** A store that is locked is nothing wrong: what is connected without it works. */
function Locked({ sentence, hint, action }: Setup["problems"][number]) {
  const view = useView();
  return (
    <div class="lw-bar lw-parts" role="note">
      <p class="s grow">
        {sentence} <Muted>{hint}</Muted>
      </p>
      {action && (
        <Button small onClick={() => view.send(action.type, action.content)}>
          {action.label}
        </Button>
      )}
    </div>
  );
}

function NoModels({ sentence, hint }: Sentence) {
  return (
    <div key="empty" class="body stack">
      <div>
        <h3>{sentence}</h3>
        <p class="muted">{hint}</p>
      </div>
      <Row>
        <Button go data-focus="connections" send="setup.connections">
          Open connections
        </Button>
        <Button bare send="setup.demo">
          Use the demo server, no key needed
        </Button>
      </Row>
    </div>
  );
}

// ---- fields, texts, options ----------------------------------------------------------------------

function Schema({ schema: { said, fields, edit, losses, hint } }: { schema: SchemaView }) {
  const [all, setAll] = useKept("fields", false);
  const shown = all ? fields : fields.slice(0, FIELDS_SHOWN);
  return (
    <div class="stack t">
      <Heading title="Fields" about={said}>
        {edit && (
          <Button bare={fields.length > 0} small send="fields.open">
            {edit}
          </Button>
        )}
      </Heading>
      {shown.length > 0 && (
        <table class="flush lw-fields">
          <Heads columns={["Name", "Type", "Description"]} />
          <tbody>
            {shown.map(({ path, type, loss, description }) => (
              <tr key={path}>
                <th class="m" scope="row" title={path}>
                  {path}
                </th>
                <td>
                  {type}
                  {loss && [
                    " ",
                    <b class="tone-warn" title={loss}>
                      *
                    </b>,
                  ]}
                </td>
                <td class="muted" dir="auto">
                  {description}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {fields.length > shown.length && (
        <TextButton onClick={() => setAll(true)}>
          Show {fields.length - shown.length} more
        </TextButton>
      )}
      {losses.map((each) => (
        <Small>
          <b class="tone-warn">*</b> {each}
        </Small>
      ))}
      {hint && <Small>{hint}</Small>}
    </div>
  );
}

/** Texts, and where others are pasted, chosen or dropped; an error of theirs is shown there. */
function Texts({ texts, error }: { texts: TextsView; error: Sentence | null }) {
  const view = useView();
  const [chosen, setOpen] = useKept("texts", false);
  const [unsent, refuse] = useKept<Sentence | null>("unsent", null);
  const refused = unsent ?? error;
  const open = chosen || Boolean(refused);
  const send = (type: string, content: object, buffers?: DataView[]) => {
    refuse(null);
    setOpen(false);
    view.send(type, content, buffers);
  };
  const read = async (files: File[]) => {
    if (!files.length) return;
    const sum = files.reduce((bytes, { size }) => bytes + size, 0);
    if (sum > MOST_BYTES) return refuse(tooMuch(files.length, sum));
    const contents = await Promise.all(files.map((each) => each.arrayBuffer())).catch(() => null);
    if (!contents) return refuse(UNREADABLE);
    const names = files.map(({ name }) => name);
    send(
      "setup.files",
      { names },
      contents.map((each) => new DataView(each)),
    );
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: files may be dropped, or chosen by a button
    <div
      class="stack x"
      onDragOver={(e) => e.preventDefault()}
      onDrop={(e) => {
        e.preventDefault();
        read([...e.dataTransfer!.files]);
      }}
    >
      <Heading title="Texts" about={texts.said}>
        <Button bare small aria-expanded={open} onClick={() => setOpen(!chosen)}>
          Choose
        </Button>
      </Heading>
      <Alert error={refused} />
      {open && <Chooser read={read} paste={(text) => send("setup.paste", { text })} />}
      {texts.columns.length > 0 && <Columns {...texts} />}
      <ul class="lw-texts">
        {texts.first.map(({ id, line }) => (
          <li key={id}>
            <code class="muted">
              <bdi>{id}</bdi>
            </code>
            <span dir="auto">{line}</span>
          </li>
        ))}
      </ul>
      {texts.notes.map((each) => (
        <Small>{each}</Small>
      ))}
      {texts.samples.length > 0 && (
        <Row>
          {texts.samples.map(({ name, label }) => (
            <Button key={name} small send="setup.sample" content={{ name }}>
              {label}
            </Button>
          ))}
        </Row>
      )}
    </div>
  );
}

const UNREADABLE: Sentence = {
  sentence: "The browser cannot read what was chosen.",
  hint: "Give files; of a folder, the files in it.",
};

const tooMuch = (count: number, bytes: number): Sentence => ({
  sentence: `${count === 1 ? "The file has" : "The files have"} ${megabytes(Math.ceil(bytes / 1e5) * 1e5)} MB; a page takes up to ${megabytes(MOST_BYTES)} MB at once.`,
  hint: 'Name the file or its folder in code: lw.ComparisonPanel(schema, Path("…")).',
});

/** Texts pasted, or read from files in the page and sent beside the message, never in the state. */
function Chooser({
  read,
  paste,
}: {
  read: (files: File[]) => void;
  paste: (text: string) => void;
}) {
  const pasted = useRef<HTMLInputElement>(null);
  return (
    <div class="stack t">
      <Labelled
        words="Paste texts"
        help="A line of --- stands between two texts. They take the place of the texts below."
      >
        <Control
          as="textarea"
          inputRef={pasted}
          rows={5}
          placeholder={"A text\n---\nThe next text"}
        />
      </Labelled>
      <Row>
        <Button small onClick={() => paste(pasted.current!.value)}>
          Use what is pasted
        </Button>
        <FileButton accept={FILES} multiple take={read}>
          Choose files
        </FileButton>
        <Small>or drop them here</Small>
      </Row>
      <Small>
        A .txt, .md or .pdf file is one text. Of a table (.csv, .tsv, .xlsx, .json, .jsonl,
        .parquet) you choose below which column is the text, the id, and the truth of which field.
        An export of Label Studio has its annotations as truth.
      </Small>
    </div>
  );
}

function Options({ options }: { options: OptionsView }) {
  const view = useView();
  const number = (name: "repeats" | "concurrency", more: object) => (
    <Control
      class="in lw-number"
      type="number"
      min={1}
      value={String(options[name])}
      onChange={(e) => view.send("setup.options", { [name]: e.currentTarget.value })}
      {...more}
    />
  );
  return (
    <Fold class="" title="Instructions, repeats, parallel calls" about={options.said}>
      <div class="stack t inside">
        {options.crossed ? (
          <Small>{options.crossed}</Small>
        ) : (
          <Labelled
            words="Instructions"
            help="The same for every model. The schema stands in the prompt as well where it is not enforced."
          >
            <Control
              as="textarea"
              rows={8}
              value={options.instructions}
              onChange={(e) => view.send("setup.options", { instructions: e.currentTarget.value })}
            />
          </Labelled>
        )}
        <div class="row wrap top">
          <Labelled words="Repeats" help="Calls for each text">
            {number("repeats", { max: 20 })}
          </Labelled>
          <Labelled words="Parallel calls" help={options.pace}>
            {number("concurrency", { placeholder: "automatic" })}
          </Labelled>
        </div>
        <ul class="s muted lw-defaults">
          {options.defaults.map((each) => (
            <li>{each}</li>
          ))}
        </ul>
      </div>
    </Fold>
  );
}

function Foot({ setup }: { setup: Setup }) {
  const { estimate, expected, matters, missing, trial, run, budget } = setup;
  const view = useView();
  return (
    <footer class="wrap">
      {expected && (
        <div class="row wrap lw-matters lw-expected">
          <Matters points={matters} />
          <span role="status">{expected}</span>
        </div>
      )}
      <div class={estimate.head ? "grow lw-estimate" : "grow"} role="status">
        {estimate.head && (
          <p>
            <b>{estimate.head}</b> <Muted>{estimate.rest}</Muted>
          </p>
        )}
        {estimate.lines.map((each) => (
          <Small>{each}</Small>
        ))}
      </div>
      <span class="row wrap lw-go">
        {missing && <span class="s tone-warn lw-missing">{missing}</span>}
        <label class="row nw">
          <Aside>Stop before</Aside>
          <span class="in lw-money">
            <Muted>$</Muted>
            <Control
              class=""
              inputMode="decimal"
              placeholder="no limit"
              aria-label="Stop before, in US dollars"
              data-focus="budget"
              value={budget}
              onChange={(e) => view.send("setup.budget", { budget: e.currentTarget.value })}
            />
          </span>
        </label>
        {trial && (
          <Button disabled={Boolean(missing)} send="run.start" content={{ trial: true }}>
            {trial}
          </Button>
        )}
        <Button go disabled={Boolean(missing)} data-main="" send="run.start">
          {run}
        </Button>
      </span>
    </footer>
  );
}
