// Before the run: what is asked of whom, what it costs, where it stops.

import { useRef } from "preact/hooks";
import { Control, Select, Tick } from "../panel/controls";
import { Alert, Button, Fold, TextButton, useRoving } from "../panel/parts";
import { inHand } from "../panel/typing";
import { Embedded } from "./embedded";
import {
  Aside,
  Failed,
  Grow,
  Heads,
  Labelled,
  Letter,
  Muted,
  Row,
  SearchBox,
  Small,
  Status,
} from "./parts";
import { Matters } from "./scores";
import type {
  Copy,
  ModelGroup,
  ModelRow,
  OptionsView,
  SchemaView,
  Sentence,
  Setup,
  TextsView,
} from "./state";
import { useKept, useView } from "./view";

const MODELS_SHOWN = 4;
const FIELDS_SHOWN = 6;

interface Props {
  setup: Setup;
  back: string;
  error: Sentence | null;
}

export function SetupScreen({ setup, back, error }: Props) {
  const view = useView();
  const { problems, empty, schema, texts, options } = setup;
  const budget = view.panel.root.querySelector<HTMLInputElement>("[data-focus=budget]");
  return (
    <>
      <header>
        <h2>Comparison</h2>
        <Aside>{setup.said}</Aside>
        <Grow />
        {back && (
          <Button bare small onClick={() => view.send("back")}>
            {back}
          </Button>
        )}
        {setup.code && (
          <Button bare small data-focus="code" onClick={() => view.send("code")}>
            Copy as code
          </Button>
        )}
      </header>
      <Alert error={error} />
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
      <Embedded />
      <div class="cols lw-setup">
        {empty ? <NoModels {...empty} /> : <Models of={setup} />}
        <div class="body stack">
          {schema && <Schema of={schema} />}
          {texts && <Texts of={texts} />}
          <Options of={options} />
        </div>
      </div>
      {(!empty || inHand(budget)) && <Foot of={setup} />}
    </>
  );
}

function NoModels({ sentence, hint }: Sentence) {
  const view = useView();
  return (
    <div key="empty" class="body stack">
      <div>
        <h3>{sentence}</h3>
        <p class="muted">{hint}</p>
      </div>
      <Row>
        <Button go data-focus="connections" onClick={() => view.send("connections")}>
          Open connections
        </Button>
        <Button bare onClick={() => view.send("demo")}>
          Use the demo server, no key needed
        </Button>
      </Row>
    </div>
  );
}

// ---- models --------------------------------------------------------------------------------------

const STOPS = ".lw-model > input[type=checkbox], .lw-model > .btn, .lw-model > .aslink";

function Models({ of: { groups, ticked } }: { of: Setup }) {
  const ref = useRef<HTMLDivElement>(null);
  const [words] = useKept("find-models", "");
  useRoving(ref, STOPS);
  const query = words.trim().toLowerCase();
  const found = groups.flatMap((group) => {
    const rows = group.rows.filter(({ id }) =>
      `${group.title} ${id}`.toLowerCase().includes(query),
    );
    return rows.length ? [{ ...group, rows }] : [];
  });
  return (
    <div key="models">
      <div class="row lw-lead">
        <h3>Models</h3>
        <Status>{ticked}</Status>
        <Grow />
        <SearchBox name="find-models" label="Search models" />
      </div>
      <div class="lw-models" role="group" aria-label="Models" ref={ref}>
        <div class="lw-model lw-names" aria-hidden="true">
          <span />
          <span>Model</span>
          <span class="narrow-hide">Reply</span>
          <span class="r">$ per 1,000 texts</span>
          <span />
        </div>
        {found.map((group) => (
          <Group key={group.label} of={group} all={query !== ""} />
        ))}
        {!found.length && <p class="lw-lead muted">No model matches “{words}”.</p>}
      </div>
    </div>
  );
}

function Group({
  of: { label, title, said, count, pickable, rows },
  all,
}: {
  of: ModelGroup;
  all: boolean;
}) {
  const view = useView();
  const [open, setOpen] = useKept(`group ${label}`, false);
  const shown = all || open ? rows : rows.filter((row, n) => row.ticked || n < MODELS_SHOWN);
  const some = count > 0 && count < pickable;
  return (
    <div role="group" aria-label={title}>
      <div class="lw-model lw-group">
        {pickable > 1 ? (
          <Tick
            checked={count > 0 && !some}
            indeterminate={some}
            aria-label={`All models of ${title}`}
            onTick={(on) => view.send("tick_all", { label, on })}
          />
        ) : (
          <span />
        )}
        <span class="lw-wide">
          <b>{title}</b> <Muted>{said}</Muted>
        </span>
      </div>
      {shown.map((row) => (
        <Model key={row.ref} of={row} />
      ))}
      {rows.length > shown.length && (
        <div class="lw-model">
          <span />
          <TextButton onClick={() => setOpen(true)}>
            Show {rows.length - shown.length} more
          </TextButton>
        </div>
      )}
    </div>
  );
}

function Model({ of: row }: { of: ModelRow }) {
  const view = useView();
  const { ref, ticked } = row;
  return (
    <>
      <div class={row.enabled ? "lw-model" : "lw-model off"}>
        <Tick
          checked={ticked}
          disabled={!row.enabled}
          aria-label={row.spoken}
          onTick={(on) => view.send("tick", { ref, on })}
        />
        <span>
          <span class="row wrap lw-id">
            <span class="m">{row.id}</span>
            {row.letter && <Letter>{row.letter}</Letter>}
          </span>
          {row.notes.map(({ tone, text }) => (
            <span class={`lw-note tone-${tone}`}>
              {tone !== "muted" && <b>! </b>}
              {text}
            </span>
          ))}
        </span>
        <span class="narrow-hide">{row.mode}</span>
        <span class={row.price === "unknown" ? "r muted" : "r"}>{row.price}</span>
        {ticked ? (
          <Button icon="plus" bare small onClick={() => view.send("duplicate", { ref })}>
            Duplicate column
          </Button>
        ) : (
          <span />
        )}
      </div>
      {row.copies.map((copy) => (
        <CopyForm key={copy.key} of={copy} />
      ))}
    </>
  );
}

/** A column beside its model's first one: its name, and how it is asked. */
function CopyForm({ of: { key, letter, label, said, examples, ...copy } }: { of: Copy }) {
  const view = useView();
  const set = (content: object) => view.send("edit_copy", { key, ...content });
  return (
    <div class="lw-model lw-copy">
      <span />
      <Fold
        class="lw-wide"
        open
        title={[<Letter>{letter}</Letter>, " ", <span class="m">{label}</span>]}
        about={said}
      >
        <div class="stack t inside">
          <Labelled words="Name of the column">
            <Control
              class="in m"
              value={label}
              onChange={(e) => set({ label: e.currentTarget.value })}
            />
          </Labelled>
          <Labelled words="Instructions">
            <Control
              as="textarea"
              rows={4}
              value={copy.instructions}
              onChange={(e) => set({ instructions: e.currentTarget.value })}
            />
          </Labelled>
          <Labelled
            words="Examples"
            help={
              !examples.given &&
              "So many labelled texts are shown to this column, and left out of scoring for all."
            }
          >
            {examples.given ? (
              <Small>{examples.given}</Small>
            ) : (
              <Control
                class="in lw-number"
                type="number"
                min={0}
                max={50}
                value={String(examples.count)}
                onChange={(e) => set({ examples: e.currentTarget.value || "0" })}
              />
            )}
          </Labelled>
          <Row>
            <Labelled words="Thinking">
              <Select
                class="in s"
                options={copy.efforts}
                value={copy.effort}
                onPick={(effort) => set({ effort })}
              />
            </Labelled>
            <Grow />
            <Button small onClick={() => view.send("drop_copy", { key })}>
              Remove column
            </Button>
          </Row>
        </div>
      </Fold>
    </div>
  );
}

// ---- fields, texts, options ----------------------------------------------------------------------

function Schema({ of: { said, fields, edit, losses, hint } }: { of: SchemaView }) {
  const view = useView();
  const [all, setAll] = useKept("fields", false);
  const shown = all ? fields : fields.slice(0, FIELDS_SHOWN);
  return (
    <div class="stack t">
      <div class="row">
        <h3>Fields</h3>
        <Aside>{said}</Aside>
        <Grow />
        {edit && (
          <Button bare={fields.length > 0} small onClick={() => view.send("fields")}>
            {edit}
          </Button>
        )}
      </div>
      {shown.length > 0 && (
        <table class="flush lw-fields">
          <Heads of={["Name", "Type", "Description"]} />
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
                <td class="muted">{description}</td>
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

function Texts({ of: { said, first, samples } }: { of: TextsView }) {
  const view = useView();
  const [open, setOpen] = useKept("texts", false);
  return (
    <div class="stack x">
      <div class="row">
        <h3>Texts</h3>
        <Aside>{said}</Aside>
        <Grow />
        <Button bare small aria-expanded={open} onClick={() => setOpen(!open)}>
          Choose
        </Button>
      </div>
      {open && <Chooser done={() => setOpen(false)} />}
      <ul class="lw-texts">
        {first.map(({ id, line }) => (
          <li key={id}>
            <code class="muted">{id}</code>
            <span>{line}</span>
          </li>
        ))}
      </ul>
      {samples.length > 0 && (
        <Row>
          {samples.map(({ name, label }) => (
            <Button key={name} small onClick={() => view.send("sample", { name })}>
              {label}
            </Button>
          ))}
        </Row>
      )}
    </div>
  );
}

/** Texts pasted, or read from files in the page and sent beside the message, never in the state. */
function Chooser({ done }: { done: () => void }) {
  const view = useView();
  const pasted = useRef<HTMLInputElement>(null);
  const read = async (files: File[]) => {
    const contents = await Promise.all(files.map((each) => each.arrayBuffer()));
    done();
    view.send(
      "files",
      { names: files.map(({ name }) => name) },
      contents.map((each) => new DataView(each)),
    );
  };
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
        <Button
          small
          onClick={() => {
            view.send("paste", { text: pasted.current!.value });
            done();
          }}
        >
          Use what is pasted
        </Button>
        <label class="row s">
          {"or files: "}
          <input
            type="file"
            multiple
            accept=".txt,.md,.csv,.jsonl"
            onChange={(e) => read([...e.currentTarget.files!])}
          />
        </label>
      </Row>
    </div>
  );
}

function Options({ of: options }: { of: OptionsView }) {
  const view = useView();
  const number = (name: "repeats" | "concurrency", more: object) => (
    <Control
      class="in lw-number"
      type="number"
      min={1}
      value={String(options[name])}
      onChange={(e) => view.send("options", { [name]: e.currentTarget.value })}
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
              onChange={(e) => view.send("options", { instructions: e.currentTarget.value })}
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

function Foot({ of: { estimate, expected, matters, missing, trial, run, budget } }: { of: Setup }) {
  const view = useView();
  return (
    <footer class="wrap">
      {expected && (
        <div class="row wrap lw-matters lw-expected">
          <Matters points={matters} />
          <span role="status">{expected}</span>
        </div>
      )}
      <div class="grow lw-estimate" role="status">
        <p>
          <b>{estimate.head}</b> <Muted>{estimate.rest}</Muted>
        </p>
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
              onChange={(e) => view.send("budget", { budget: e.currentTarget.value })}
            />
          </span>
        </label>
        {trial && (
          <Button disabled={Boolean(missing)} onClick={() => view.send("run", { trial: true })}>
            {trial}
          </Button>
        )}
        <Button go disabled={Boolean(missing)} data-main="" onClick={() => view.send("run")}>
          {run}
        </Button>
      </span>
    </footer>
  );
}
