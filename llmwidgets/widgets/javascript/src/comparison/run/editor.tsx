// The fields as rows: name, type, list, required, description, allowed values. Checked while typing.

import { useRef } from "preact/hooks";
import { Control, Select } from "../../panel/controls";
import { Alert, Button, Fold, Note, TextButton } from "../../panel/parts";
import { Tick } from "../../panel/tick";
import { Aside, Grow, Head, Heads, Labelled, Row, Scroll, Spoken, Status } from "../parts";
import type { FieldRow, Fields, Sentence } from "../state";
import { useView, type View } from "../view";

export function EditorScreen({ fields, error }: { fields: Fields; error: Sentence | null }) {
  const view = useView();
  const example = useRef<HTMLInputElement>(null);
  const { rows, wrong, warning } = fields;
  const code = (format: string) => (
    <Button
      bare
      small
      disabled={Boolean(wrong)}
      data-focus={`as-${format}`}
      onClick={() => view.send("fields.code", { format, from: `as-${format}` })}
    >
      {format === "json" ? "As JSON Schema" : "As pydantic"}
    </Button>
  );
  return (
    <>
      <Head title="Fields" facts={<Status>{wrong || fields.said}</Status>}>
        {code("json")}
        {code("pydantic")}
      </Head>
      <Alert error={error} />
      <div class="body stack">
        <Fold class="" title="From an example" about="a record as JSON">
          <div class="stack t inside">
            <Labelled
              words="Example"
              help="Only the names and types are taken; they replace the rows below."
            >
              <Control
                as="textarea"
                class="in m"
                inputRef={example}
                rows={5}
                spellcheck={false}
                placeholder={'{"amount": 4180.0, "incident_date": "2026-10-10"}'}
              />
            </Labelled>
            <div>
              <Button
                small
                onClick={() => view.send("fields.example", { text: example.current!.value })}
              >
                Make the rows
              </Button>
            </div>
          </div>
        </Fold>
        <Scroll>
          <table class="flush lw-rows">
            <Heads
              columns={[
                "Name",
                "Type",
                "List",
                "Required",
                "Description",
                "Allowed values",
                <Spoken>Remove</Spoken>,
              ]}
            />
            <tbody>
              {rows.map((row, n) => (
                <RowForm key={n} {...{ row, n, fields, view }} />
              ))}
            </tbody>
          </table>
        </Scroll>
        <Row>
          <Button small send="fields.add">
            Add a field
          </Button>
          <Aside>A dot makes a group, [] a list of groups: policy.number, lines[].total.</Aside>
        </Row>
        {warning && <Note icon="warn" text={warning} />}
      </div>
      <footer>
        <Grow />
        <Button bare send="fields.close">
          Cancel
        </Button>
        <Button go disabled={Boolean(wrong)} data-main="" send="fields.use">
          Use these fields
        </Button>
      </footer>
    </>
  );
}

interface Props {
  row: FieldRow;
  n: number;
  fields: Fields;
  view: View;
}

function RowForm({ row, n, fields, view }: Props) {
  const set = (content: object) => view.send("fields.edit", { row: n, ...content });
  const where = `of row ${n + 1}`;
  const words = (key: "name" | "description" | "values", label: string, more: object = {}) => (
    <td>
      <Control
        class="in s"
        value={row[key]}
        rev={fields.edition}
        aria-label={`${label} ${where}`}
        onInput={(e) => set({ [key]: (e.target as HTMLInputElement).value })}
        {...more}
      />
    </td>
  );
  const tick = (key: "many" | "required", label: string) => (
    <td class="lw-tick-cell">
      <Tick
        checked={row[key]}
        aria-label={`${label}, row ${n + 1}`}
        onTick={(on) => set({ [key]: on })}
      />
    </td>
  );
  const wrong = row.problem && row.name;
  const id = `lw-row-${n}`;
  return (
    <>
      <tr>
        {words("name", "Name", {
          class: "in s m",
          spellcheck: false,
          "aria-invalid": wrong ? "true" : undefined,
          "aria-describedby": row.problem ? id : undefined,
        })}
        <td>
          <Select
            class="in s"
            aria-label={`Type ${where}`}
            options={fields.types}
            value={row.type}
            onPick={(kind) => set({ kind })}
          />
        </td>
        {tick("many", "List")}
        {tick("required", "Required")}
        {words("description", "Description")}
        {words("values", "Allowed values", { placeholder: "any" })}
        <td>
          <Button
            bare
            small
            aria-label={`Remove row ${n + 1}`}
            send="fields.drop"
            content={{ row: n }}
          >
            Remove
          </Button>
        </td>
      </tr>
      {row.problem && (
        <tr>
          <td colSpan={7} id={id} class="lw-said-row">
            <span class={wrong ? "s tone-fail" : "s muted"}>
              {wrong && <b>! </b>}
              {row.problem}
            </span>{" "}
            {row.instead && (
              <TextButton send="fields.rename" content={{ row: n, name: row.instead }}>
                Use {row.instead}
              </TextButton>
            )}
          </td>
        </tr>
      )}
    </>
  );
}
