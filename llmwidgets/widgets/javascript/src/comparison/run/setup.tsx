// Before the run: what is asked of whom, what it costs, where it stops.

import { useLayoutEffect, useRef } from "preact/hooks";
import { Control } from "../../panel/controls";
import { inHand } from "../../panel/page";
import { Alert, Button, Failed, Fold, TextButton } from "../../panel/parts";
import { Aside, Grow, Head, Heading, Heads, Matters, Muted, Row, Small } from "../parts";
import type { OptionsView, SchemaView, Sentence, Setup, TextsView } from "../state";
import { useKept, useView } from "../view";
import { Labelled, Models } from "./models";

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
      <Head title="Comparison" facts={<Aside>{setup.said}</Aside>}>
        {back && (
          <Button bare small send="run.back">
            {back}
          </Button>
        )}
        {setup.code && (
          <Button bare small data-focus="code" send="result.code">
            Copy as code
          </Button>
        )}
      </Head>
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
        {empty ? <NoModels {...empty} /> : <Models setup={setup} />}
        <div class="body stack">
          {schema && <Schema schema={schema} />}
          {texts && <Texts texts={texts} />}
          <Options options={options} />
        </div>
      </div>
      {(!empty || inHand(budget)) && <Foot setup={setup} />}
    </>
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

/** The connection panel, inside this one. */
function Embedded() {
  const [inside, keep] = useKept<HTMLElement | null>("embedded", null);
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (inside) place.current!.append(inside);
  }, [inside]);
  return (
    inside && (
      <div class="lw-embed">
        <div class="row">
          <Aside>What is connected here can be ticked below.</Aside>
          <Grow />
          <Button small data-focus="embedded" onClick={() => keep(null)}>
            Done
          </Button>
        </div>
        <div ref={place} />
      </div>
    )
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

function Texts({ texts: { said, first, samples } }: { texts: TextsView }) {
  const [open, setOpen] = useKept("texts", false);
  return (
    <div class="stack x">
      <Heading title="Texts" about={said}>
        <Button bare small aria-expanded={open} onClick={() => setOpen(!open)}>
          Choose
        </Button>
      </Heading>
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
            <Button key={name} small send="setup.sample" content={{ name }}>
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
      "setup.files",
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
            view.send("setup.paste", { text: pasted.current!.value });
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
            accept=".txt,.md,.pdf,.csv,.tsv,.tab,.json,.jsonl,.ndjson,.gz,.xlsx,.xlsm,.parquet"
            onChange={(e) => read([...e.currentTarget.files!])}
          />
        </label>
      </Row>
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
