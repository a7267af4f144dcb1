// A column made from another: its name, instructions, examples, thinking, and how its fields are described.

import { Control, Select } from "../../panel/controls";
import { Button, Fold } from "../../panel/parts";
import { Grow, Heads, Labelled, Letter, Row, Scroll, Small } from "../parts";
import type { Copy, Place } from "../state";
import { useView } from "../view";

/** A column beside its model's first one: its name, and how it is asked. */
export function CopyForm({ copy }: { copy: Copy }) {
  const { key, letter, label, said, examples } = copy;
  const view = useView();
  const places = view.state.screen === "setup" ? view.state.setup.places : [];
  const set = (content: object) => view.send("setup.edit_copy", { key, ...content });
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
              "This many labelled texts are shown to this column, and left out of scoring for all."
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
          {places.length > 0 && <SchemaForm {...{ copy, places, set }} />}
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
            <Button small send="setup.drop_copy" content={{ key }}>
              Remove column
            </Button>
          </Row>
        </div>
      </Fold>
    </div>
  );
}

interface SchemaProps {
  copy: Copy;
  places: Place[];
  set: (content: object) => void;
}

/** How this column describes the fields; the fields themselves are those of the comparison. */
function SchemaForm({ copy: { letter, schema, descriptions }, places, set }: SchemaProps) {
  return (
    <Fold class="" title="Schema" about={schema.replace("schema: ", "") || "the comparison's"}>
      <div class="stack t inside">
        <Small>Other words for the same fields: what each column extracts stays comparable.</Small>
        <Scroll>
          <table class="flush lw-rows lw-described">
            <Heads columns={["Name", "Type", "Description"]} />
            <tbody>
              {places.map(({ path, name, type, description }) => (
                <tr key={path}>
                  <th class="m" scope="row" title={name}>
                    {name}
                  </th>
                  <td>{type}</td>
                  <td>
                    <Control
                      as="textarea"
                      rows={2}
                      class="in s"
                      value={descriptions[path] ?? description}
                      aria-label={`Description of ${name} in column ${letter}`}
                      onChange={(e) => set({ schema: { [path]: e.currentTarget.value } })}
                    />
                    {path in descriptions && <Small>Comparison: {description || "none"}</Small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
        {schema && (
          <div>
            <Button small onClick={() => set({ schema: null })}>
              Reset to the comparison's
            </Button>
          </div>
        )}
      </div>
    </Fold>
  );
}
