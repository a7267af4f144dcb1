// What stands above a panel that no kernel answers: what happened, what is safe, what to do.

import type { Loss } from "./kernel";

const TITLES: Record<Loss, string> = {
  "": "",
  silent: "The server does not answer.",
  restarted: "The kernel was restarted.",
  died: "The kernel died.",
  ended: "The kernel has ended.",
};

interface Props {
  loss: Loss;
  kept: string;
  /** Whether a secret was being typed. */
  typed: boolean;
}

export function LossNote({ loss, kept, typed }: Props) {
  const way = document.body.dataset.voila ? "Reload the page" : "Run this cell again";
  const silent = loss === "silent";
  const text = silent
    ? "What is typed stays; this panel goes on by itself when it does."
    : `${way}: ${kept}.`;
  return (
    <div class="lw-loss" role="alert">
      <div class="note">
        <span class="i warn tone-warn" aria-hidden="true" />
        <p>
          <span class="b">{TITLES[loss]}</span> {text}
        </p>
        {typed && <p>A secret typed here was not sent: its field is emptied.</p>}
      </div>
    </div>
  );
}

/** At the right of a header, in place of what only a kernel can say. */
export const lossAside = (loss: Loss): string =>
  loss === "silent" ? "No answer from the server" : "No kernel behind this panel";
