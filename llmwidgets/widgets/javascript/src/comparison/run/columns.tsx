// The columns of a table that was chosen: what each is used as, and which cells do not fit.

import { Select } from "../../panel/controls";
import { Fold } from "../../panel/parts";
import { Heads } from "../parts";
import type { TextsView } from "../state";
import { useView } from "../view";

/** A column of a table that was chosen, and what it is used as. */
export interface TableColumn {
  name: string;
  sample: string;
  use: string;
  misfits: string;
}

export function Columns({ columns, uses }: TextsView) {
  return (
    <Fold class="" title="Columns" about={aboutOf(columns)} open>
      <div class="lw-columns">
        <table class="flush">
          <Heads columns={["Name", "First value", "Used as"]} />
          <tbody>
            {columns.map((each) => [
              <Line key={each.name} column={each} uses={uses} />,
              each.misfits && (
                <tr key={`misfits of ${each.name}`} class="lw-misfits">
                  <td colSpan={3} class="tone-fail" id={idOf(each)}>
                    {each.misfits}
                  </td>
                </tr>
              ),
            ])}
          </tbody>
        </table>
      </div>
    </Fold>
  );
}

const idOf = ({ name }: TableColumn) => `misfits-${encodeURIComponent(name)}`;

const aboutOf = (columns: TableColumn[]) => {
  const truth = columns.filter(({ use }) => use === "truth" || use.startsWith("field:")).length;
  return `${columns.length}, ${truth || "none"} with truth`;
};

function Line({ column, uses }: { column: TableColumn; uses: TextsView["uses"] }) {
  const view = useView();
  const { name, sample, use, misfits } = column;
  return (
    <tr>
      <th class="m" scope="row" title={name}>
        {name}
      </th>
      <td class="muted lw-sample" dir="auto">
        {sample}
      </td>
      <td>
        <Select
          data-focus={`column ${name}`}
          aria-label={`Use ${name} as`}
          aria-describedby={misfits ? idOf(column) : undefined}
          aria-invalid={misfits ? "true" : undefined}
          value={use}
          options={uses}
          onPick={(chosen) => view.send("setup.column", { name, use: chosen })}
        />
      </td>
    </tr>
  );
}
