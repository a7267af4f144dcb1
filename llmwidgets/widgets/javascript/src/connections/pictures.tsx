// Pictures of where things are found: drawn by the kernel when a person opens them, never before.

import { useEffect, useState } from "preact/hooks";
import { useMessage, usePanel } from "../panel/panel";
import { Icon } from "../panel/parts";
import type { Message } from "../panel/protocol";
import type { FormState } from "./state";

interface Picture extends Message {
  name: string;
  svg: string;
  said: string;
}

export function Pictures({ form }: { form: FormState }) {
  const panel = usePanel();
  const [open, setOpen] = useState(false);
  const [drawn, setDrawn] = useState<Record<string, Picture>>({});
  const names = form.pictures.map((each) => each.name);
  useMessage<Picture>("picture", (message) =>
    setDrawn((before) => ({ ...before, [message.name]: message })),
  );
  useEffect(() => {
    for (const name of names)
      if (open && !drawn[name]) panel.send("form.picture", { form: form.key, name });
  }, [open, names.join()]);
  if (!names.length) return null;
  return (
    <details class="folded" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Icon name="right" />
        <span>Show where this is</span>
      </summary>
      <div class="stack pictures">
        {form.pictures.map(({ name, title }) => {
          const picture = drawn[name];
          // As an image it follows the color scheme of the panel, and nothing in it can run.
          const source = picture && `data:image/svg+xml,${encodeURIComponent(picture.svg)}`;
          return picture ? (
            <img key={name} src={source} alt={picture.said} />
          ) : (
            <p key={name} class="s muted">
              {title} …
            </p>
          );
        })}
      </div>
    </details>
  );
}
