// A result: its header, what is not whole about it, and the view that is open.

import { useRef } from "preact/hooks";
import { usePart } from "../panel/panel";
import { Alert, Button, plural, useRoving } from "../panel/parts";
import Differences from "./grid/differences";
import { Head, Waiting } from "./parts";
import type { Result, Sentence } from "./state";
import { useView, withSheets } from "./view";

type ViewsPart = typeof import("../comparison_panel.views");

interface Props {
  result: Result;
  again: string;
  runs: string;
  error: Sentence | null;
}

export function ResultScreen({ result, again, runs, error }: Props) {
  const view = useView();
  const tab = view.tab;
  const first = tab === "differences";
  const views = usePart<ViewsPart>(first ? "" : "views");
  const lost = view.panel.loss && !views; // the view will not come any more
  const Open = first || lost ? Differences : views?.tabs[tab];
  return (
    <>
      <Head title="Comparison" facts={<Tabs names={result.views} open={tab} />}>
        <Short words="Copy as code" name="code" send="result.code" />
        {runs && <Short words={runs} name="runs" send="runs.open" />}
        <Button bare small title="Download every value as CSV" send="result.csv">
          CSV
        </Button>
        <Button
          bare
          small
          title="Download a report"
          data-focus="html"
          onClick={() => withSheets(view, (sheets) => sheets.askForReport(view))}
        >
          HTML
        </Button>
        {again && (
          <Button bare small title="Back to models, fields and texts" send="run.again">
            {again}
          </Button>
        )}
      </Head>
      <Alert error={error} />
      <Notes result={result} />
      <div key={tab} role="tabpanel" class="lw-tab" aria-label={tab}>
        {Open ? <Open result={result} /> : <Waiting>Opening the view.</Waiting>}
      </div>
    </>
  );
}

/** A button of which the last word is left where the panel is narrow. */
function Short({ words, name, send }: { words: string; name: string; send: string }) {
  const last = words.lastIndexOf(" ") + 1;
  return (
    <Button bare small data-focus={name} send={send} aria-label={words}>
      <span class="narrow-hide">{words.slice(0, last)}</span>
      <span class="lw-last">{words.slice(last)}</span>
    </Button>
  );
}

function Tabs({ names, open }: { names: string[]; open: string }) {
  const view = useView();
  const ref = useRef<HTMLDivElement>(null);
  useRoving(ref, "[role=tab]");
  return (
    <div class="tabs" role="tablist" aria-label="Views of the comparison" ref={ref}>
      {names.map((name) => (
        <button
          key={name}
          type="button"
          role="tab"
          class={open === name ? "tab on" : "tab"}
          aria-selected={open === name}
          data-main={open === name ? "" : undefined}
          onClick={() => view.show(name)}
        >
          {name[0]!.toUpperCase() + name.slice(1)}
        </button>
      ))}
    </div>
  );
}

/** What is not whole about this result, and the one way on. */
function Notes({ result: { read, texts, facts, notes, resume } }: { result: Result }) {
  const all =
    read < texts ? [...facts, `${read} of ${texts} ${plural(texts, "text")} read.`] : facts;
  if (!all.length && !notes.length) return null;
  return (
    <div class="lw-bar lw-parts" role="status">
      <div class="grow">
        {all.map((each) => (
          <p class="s">{each}</p>
        ))}
        {notes.map((each) => (
          <p class="s">
            <b class="tone-warn">! </b>
            {each}
          </p>
        ))}
      </div>
      {resume && (
        <Button small send="run.resume">
          {resume}
        </Button>
      )}
    </div>
  );
}
