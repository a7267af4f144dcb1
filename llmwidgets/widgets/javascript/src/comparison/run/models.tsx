// The models that can be compared, by connection; each ticked one is a column, and may have copies.

import { useRef } from "preact/hooks";
import { ModelNaming } from "../../panel/naming";
import { Button, TextButton, useRoving } from "../../panel/parts";
import { Tick } from "../../panel/tick";
import { Grow, Letter, Muted, SearchBox, Status } from "../parts";
import type { ModelGroup, ModelRow, Setup } from "../state";
import { useKept, useView } from "../view";
import { CopyForm } from "./copy";

const MODELS_SHOWN = 4;
const STOPS = ".lw-model > input[type=checkbox], .lw-model > .btn, .lw-model > .aslink";

export function Models({ setup: { groups, ticked } }: { setup: Setup }) {
  const ref = useRef<HTMLDivElement>(null);
  const [words] = useKept("find-models", "");
  useRoving(ref, STOPS);
  const query = words.trim().toLowerCase();
  const found = groups.flatMap((group) => {
    const fits = (id: string) => `${group.title} ${id}`.toLowerCase().includes(query);
    const rows = group.rows.filter(({ id }) => fits(id));
    const asks = group.asks.filter(({ label }) => fits(label));
    return rows.length || asks.length ? [{ ...group, rows, asks }] : [];
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
          <Group key={group.label} group={group} all={query !== ""} />
        ))}
        {!found.length && <p class="lw-lead muted">No model matches “{words}”.</p>}
      </div>
    </div>
  );
}

function Group({ group, all }: { group: ModelGroup; all: boolean }) {
  const { label, title, said, count, pickable, rows, asks } = group;
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
            onTick={(on) => view.send("setup.tick_all", { label, on })}
          />
        ) : (
          <span />
        )}
        <span class="lw-wide">
          <b>{title}</b> <Muted>{said}</Muted>
        </span>
      </div>
      {shown.map((row) => (
        <Model key={row.ref} row={row} />
      ))}
      {rows.length > shown.length && (
        <div class="lw-model">
          <span />
          <TextButton onClick={() => setOpen(true)}>
            Show {rows.length - shown.length} more
          </TextButton>
        </div>
      )}
      {asks.map((each) => (
        <NameModel key={each.label} ask={each} title={title} />
      ))}
    </div>
  );
}

/** A connection that serves any model: one is named here, and ticked for this comparison. */
function NameModel({ ask, title }: { ask: ModelGroup["asks"][number]; title: string }) {
  const view = useView();
  const { label, asks, example, source } = ask;
  const add = (model: string, field: HTMLInputElement) => {
    if (model) view.send("setup.name_model", { label, model });
    field.value = "";
    field.focus();
  };
  return (
    <div class="lw-model">
      <span />
      <span class="row wrap lw-wide lw-name">
        <code>{label}/</code>
        <ModelNaming
          class="in m s grow"
          data-focus={`name:${label}`}
          words="Add"
          {...{ asks, title, example, add }}
        />
        <span class="lw-note tone-muted">
          <code>{source}</code> serves any {asks}: name one
        </span>
      </span>
    </div>
  );
}

function Model({ row }: { row: ModelRow }) {
  const view = useView();
  const { ref, ticked } = row;
  return (
    <>
      <div class={row.enabled ? "lw-model" : "lw-model off"}>
        <Tick
          checked={ticked}
          disabled={!row.enabled}
          aria-label={row.spoken}
          onTick={(on) => view.send("setup.tick", { ref, on })}
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
          <Button icon="plus" bare small send="setup.duplicate" content={{ ref }}>
            Duplicate column
          </Button>
        ) : (
          <span />
        )}
      </div>
      {row.copies.map((copy) => (
        <CopyForm key={copy.key} copy={copy} />
      ))}
    </>
  );
}
