// The exact request of one call, secrets cut, and the reply to it.

import { Button, Failed, Fold } from "../../panel/parts";
import { Chip, Facts, Grow, Heading, Letter, RepeatChoice, Small, Waiting } from "../parts";
import type { RequestAnswer, Result, Variant } from "../state";
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
      <footer>
        <Small>
          {several
            ? "Every column got the same schema and text; the instructions differ as shown above. Secrets are cut."
            : "Every model got the same instructions, schema and text; only the spelling differs. Secrets are cut."}
        </Small>
      </footer>
    </>
  );
}

function Exchange({ shown }: { shown: RequestAnswer }) {
  const view = useView();
  const { request, losses, failure, reply } = shown;
  return (
    <div class="cols lw-halves lw-even">
      <div class="body stack t">
        <Heading title="Request" about={shown.mode}>
          {request && (
            <Button small data-focus="curl" send="result.curl" content={view.request}>
              Copy as curl
            </Button>
          )}
        </Heading>
        {request ? (
          <>
            <p class="m lw-line">{shown.line}</p>
            <Code>{request}</Code>
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

const Code = ({ children }: { children: string }) => (
  <pre class="lw-code" tabIndex={0}>
    {children}
  </pre>
);

/** The instructions of this column, and what differs from another one's. */
function Instructions({ shown, variants }: { shown: RequestAnswer; variants: Result["variants"] }) {
  const [beside, setBeside] = useKept("beside", "");
  const [own, said] = shown.instructions[shown.column]!;
  const others = shown.instructions.filter(([, each]) => each !== said);
  if (!others.length) return null;
  const [other, before] = others.find(([letter]) => letter === beside) ?? others[0]!;
  return (
    <Fold
      class="body lw-asked"
      title={["Instructions of ", <Letter>{own}</Letter>, " beside another column's"]}
      about={`${others.length} differ`}
    >
      <div class="stack t inside">
        <Chips
          label="Beside"
          variants={variants.filter(({ letter }) => others.some(([each]) => each === letter))}
          on={other}
          pick={setBeside}
        />
        <p class="lw-code lw-diff">
          {wordsChanged(before, said).map(([Kind, words]) => (Kind ? <Kind>{words}</Kind> : words))}
        </p>
        <Small>
          Struck out: only in {other}. Underlined: only in {own}.
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
    else parts.push([kind, word]);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && a[i] === b[j]) {
      add("", a[i]!);
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && common[i + 1]![j]! >= common[i]![j + 1]!))
      add("del", a[i++]!);
    else add("ins", b[j++]!);
  }
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
