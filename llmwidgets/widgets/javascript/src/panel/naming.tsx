// One model named by hand, for a connection that serves any.

import { useRef } from "preact/hooks";
import type { Attributes, Data } from "./controls";
import { Button } from "./parts";

interface Props extends Attributes, Data {
  /** What is asked for: a model, a deployment; and the connection that it is for. */
  asks: string;
  title: string;
  example: string;
  /** What its button says, and what it does with the name. */
  words: string;
  add: (model: string, field: HTMLInputElement) => void;
}

/** A field and its button; Enter in the field does the same. */
export function ModelNaming({ asks, title, example, words, add, ...rest }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const done = () => add(input.current!.value.trim(), input.current!);
  return (
    <>
      <input
        ref={input}
        type="text"
        aria-label={`The ${asks} for ${title}`}
        placeholder={example}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        {...(rest as object)}
        onKeyDown={(e) => {
          if (e.key !== "Enter" || e.isComposing) return;
          e.preventDefault();
          done();
        }}
      />
      <Button
        small
        aria-label={words.includes(title) ? undefined : `${words} the ${asks} for ${title}`}
        onClick={done}
      >
        {words}
      </Button>
    </>
  );
}
