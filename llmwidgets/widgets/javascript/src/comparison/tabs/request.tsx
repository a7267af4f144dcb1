// The exact request of one call, secrets cut, and the reply to it.

import { Button, Failed, Fold } from "../../panel/parts";
import type { RequestAnswer } from "../answers";
import { Chip, Facts, Grow, Heading, Letter, Muted, RepeatChoice, Small, Waiting } from "../parts";
import type { Result, Variant } from "../state";
import { useKept, useView } from "../view";
import { TextSteps } from "./text";

export default function RequestView({ result }: { result: Result }) {
  const { repeats, variants, texts } = result;
  const view = useView();
  const { index, column, repeat = 0 } = view.request;
  const asked = { index, column, repeat };
  const fits = (each: RequestAnswer) =>
    each.index === index && each.column === column && each.repeat === repeat;
  const shown = view.need<RequestAnswer>("request", asked, fits);
  const set = (change: object) => view.show("request", { request: { ...asked, ...change } });
  const several = shown && new Set(shown.instructions.map(([, said]) => said)).size > 1;
  const other = [several && "instructions", shown?.schemas.length && "schemas"].filter(Boolean);
  const same = ["instructions", "schemas"].filter((each) => !other.includes(each));
  return (
    <>
      <div class="lw-bar row wrap">
        <TextSteps
          id={shown?.id}
          index={index}
          total={texts}
          go={(by) => set({ index: index + by })}
        />
        <RepeatChoice repeats={repeats} on={repeat} pick={(to) => set({ repeat: to })} />
        <Grow />
        <Chips
          label="Model"
          variants={variants}
          on={variants[column]!.letter}
          pick={(letter) => set({ column: variants.findIndex((each) => each.letter === letter) })}
        />
      </div>
      {shown ? <Exchange shown={shown} /> : <Waiting>Reading the request.</Waiting>}
      {shown && <Instructions shown={shown} variants={variants} />}
      {shown && <Schemas shown={shown} variants={variants} />}
      <footer>
        <Small>
          {other.length
            ? `Every column got the same ${[...same, "text"].join(" and ").replace("schemas", "schema")}; the ${other.join(" and the ")} differ as shown above. Secrets are cut.`
            : "Every model got the same instructions, schema and text; only the spelling differs. Secrets are cut."}
        </Small>
      </footer>
    </>
  );
}

function Exchange({ shown }: { shown: RequestAnswer }) {
  const view = useView();
  const { request, losses, failure, reply } = shown;
  const [json, setJSON] = useKept("request as JSON", false);
  return (
    <div class="cols lw-halves lw-even">
      <div class="body stack t">
        <Heading title="Request" about={shown.mode}>
          {shown.turns.length > 0 && (
            <Chip on={json} title="What is sent, to the letter" onClick={() => setJSON(!json)}>
              As JSON
            </Chip>
          )}
          {request && (
            <Button small data-focus="curl" send="result.curl" content={view.request}>
              Copy as curl
            </Button>
          )}
        </Heading>
        {request ? (
          <>
            <p class="m lw-line">{shown.line}</p>
            {json || !shown.turns.length ? <Code>{request}</Code> : <Turns shown={shown} />}
          </>
        ) : (
          <p class="muted">{shown.why}</p>
        )}
        {losses.length > 0 && (
          <div class="stack x">
            <p class="s">Not enforced by the server, checked in the reply:</p>
            <ul class="s muted">
              {losses.map((each) => (
                <li>{each}</li>
              ))}
            </ul>
          </div>
        )}
      </div>
      <div class="body stack t">
        <Heading title="Reply" about={shown.said} />
        {failure && <Failed {...failure} />}
        {reply && <Code>{reply}</Code>}
        <Facts rows={shown.facts} />
      </div>
    </div>
  );
}

/** The request as it is read: who says what, the schema apart, then what else is asked for. */
function Turns({ shown: { turns, schema, parameters } }: { shown: RequestAnswer }) {
  return (
    <div class="stack t">
      <ol class="stack t lw-turns" aria-label="Messages">
        {turns.map(([role, said, words]) => (
          <li class={`lw-turn ${role}`}>
            <p class="s">
              <b>{role}</b> <Muted>{said}</Muted>
            </p>
            <div class="lw-words" dir="auto" tabIndex={0}>
              {words}
            </div>
          </li>
        ))}
      </ol>
      {schema && (
        <Fold class="s" title="Schema" about="sent apart from the messages">
          <div class="inside">
            <Code>{schema}</Code>
          </div>
        </Fold>
      )}
      {parameters.length > 0 && (
        <Fold class="s" title="Parameters" about={parameters.length}>
          <div class="inside">
            <Facts
              rows={parameters.map(([name, value]) => [
                <code>{name}</code>,
                <code class="lw-line">{value}</code>,
              ])}
            />
          </div>
        </Fold>
      )}
    </div>
  );
}

const Code = ({ children }: { children: string }) => (
  <pre class="lw-code" dir="auto" tabIndex={0}>
    {children}
  </pre>
);

interface BesideProps {
  shown: RequestAnswer;
  variants: Variant[];
}

/** The instructions of this column, and what differs from another one's. */
function Instructions({ shown, variants }: BesideProps) {
  const said = shown.instructions.map(([, each]) => [["", each]] as Said);
  return <Beside what="Instructions" {...{ said, shown, variants }} />;
}

/** What its schema says of the fields otherwise than another column's. */
function Schemas({ shown, variants }: BesideProps) {
  const said = variants.map((_, at) => shown.schemas.map(([place, each]) => [place, each[at]!]));
  return <Beside what="Schema" {...{ said: said as Said[], shown, variants }} />;
}

/** What a column was asked by, in named pieces. */
type Said = [name: string, words: string][];

/** What differs between a column and another that is chosen, piece by piece. */
function Beside({ what, said, shown, variants }: BesideProps & { what: string; said: Said[] }) {
  const [beside, setBeside] = useKept(`beside ${what}`, "");
  const own = said[shown.column]!;
  const differs = (at: number) => own.filter(([, words], n) => said[at]![n]![1] !== words);
  const others = variants.filter((_, at) => differs(at).length);
  if (!others.length) return null;
  const { letter } = variants[shown.column]!;
  const other = variants.indexOf(others.find((each) => each.letter === beside) ?? others[0]!);
  // Whichever of the two is shown: the later column is what became of the earlier one.
  const [before, after] = [shown.column, other].sort((a, b) => a - b) as [number, number];
  return (
    <Fold
      class="body lw-asked"
      title={[`${what} of `, <Letter>{letter}</Letter>, " beside another column's"]}
      about={others.length === 1 ? "1 other differs" : `${others.length} others differ`}
    >
      <div class="stack t inside">
        <Chips label="Beside" variants={others} on={variants[other]!.letter} pick={setBeside} />
        {own.map(([name, words], n) =>
          said[other]![n]![1] === words ? null : (
            <div key={name}>
              {name && <Small>{name}</Small>}
              <p class="lw-code lw-diff" dir="auto">
                {wordsChanged(said[before]![n]![1], said[after]![n]![1]).map(([Kind, each]) =>
                  Kind ? <Kind>{each}</Kind> : each,
                )}
              </p>
            </div>
          ),
        )}
        <Small>
          Struck out: only in {variants[before]!.letter}. Underlined: only in{" "}
          {variants[after]!.letter}.
        </Small>
      </div>
    </Fold>
  );
}

const MOST_WORDS = 1600;

/** The words of two texts: "" in both, "del" in the first alone, "ins" in the second alone. */
export function wordsChanged(
  before: string,
  after: string,
): [kind: "" | "del" | "ins", words: string][] {
  const [a, b] = [before, after].map((each) => each.split(/(\s+)/).slice(0, MOST_WORDS)) as [
    string[],
    string[],
  ];
  const common = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      common[i]![j] =
        a[i] === b[j]
          ? common[i + 1]![j + 1]! + 1
          : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
    }
  }
  const parts: ["" | "del" | "ins", string][] = [];
  const add = (kind: "" | "del" | "ins", word: string) => {
    const last = parts.at(-1);
    if (last?.[0] === kind) last[1] += word;
    else if (word) parts.push([kind, word]);
  };
  const changed = { del: "", ins: "" };
  let blank = "";
  const end = () => {
    add("del", changed.del);
    add("ins", changed.ins);
    add("", blank);
    changed.del = changed.ins = blank = "";
  };
  // Of several words changed in a row, the old ones come first and then the new ones, each readable
  // by themselves: a blank that both have between them belongs to both.
  const take = (kind: "" | "del" | "ins", word: string) => {
    if (kind) {
      changed.del += blank;
      changed.ins += blank;
      blank = "";
      changed[kind] += word;
    } else if (word.trim() || !(changed.del || changed.ins)) {
      end();
      add("", word);
    } else blank += word;
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && a[i] === b[j]) {
      take("", a[i]!);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!))
      take("del", a[i++]!);
    else take("ins", b[j++]!);
  }
  end();
  return parts;
}

interface ChipsProps {
  label: string;
  variants: Variant[];
  on: string;
  pick: (letter: string) => void;
}

/** One variant out of several. */
const Chips = ({ label, variants, on, pick }: ChipsProps) => (
  <div class="row wrap" role="group" aria-label={label}>
    {variants.map((each) => (
      <Chip key={each.letter} on={each.letter === on} onClick={() => pick(each.letter)}>
        <Letter>{each.letter}</Letter>
        {each.label}
      </Chip>
    ))}
  </div>
);
