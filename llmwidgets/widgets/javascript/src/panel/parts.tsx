// The small parts of the look. Data becomes text and attributes, never markup.

import type { AllHTMLAttributes, ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { focused } from "./page";
import { usePanel } from "./panel";
import { type Content, type ErrorState, stepTo } from "./protocol";

type Words = ComponentChildren;

/** A 16 px icon: ok none warn fail info lock open down right left plus wait busy. */
export function Icon({ name, tone }: { name: string; tone?: string }) {
  return <span class={`i ${name}${tone ? ` tone-${tone}` : ""}`} aria-hidden="true" />;
}

type ButtonAttributes = Omit<AllHTMLAttributes<HTMLButtonElement>, "icon" | "label" | "content">;

interface ButtonProps extends ButtonAttributes {
  /** The action that a click sends, and its content as it is when this is drawn. */
  send?: string;
  content?: object;
  go?: boolean;
  bare?: boolean;
  small?: boolean;
  /** An icon in place of the words, which are then its name. */
  icon?: string;
  [data: `data-${string}`]: string | undefined;
}

function useClick({ send, content, onClick }: ButtonProps) {
  const panel = usePanel();
  return send ? () => panel.send(send, content as Content) : onClick;
}

/** A button that is switched off keeps the focus: it says so, and does nothing. */
export function Button({
  go,
  bare,
  small,
  icon,
  disabled,
  send,
  content,
  onClick,
  class: look = "",
  children,
  ...rest
}: ButtonProps) {
  const click = useClick({ send, content, onClick });
  const looks = ["btn", go && "go", bare && "bare", small && "sm", icon && "icon", look];
  const name = icon ? { "aria-label": children as string, title: children as string } : {};
  return (
    <button
      type="button"
      {...name}
      {...(rest as object)}
      class={looks.filter(Boolean).join(" ")}
      {...(disabled ? { "aria-disabled": "true" as const } : { onClick: click })}
    >
      {icon ? <Icon name={icon} /> : children}
    </button>
  );
}

/** A button that reads like a link. */
export function TextButton({ send, content, onClick, class: look = "", ...rest }: ButtonProps) {
  const click = useClick({ send, content, onClick });
  return <button type="button" class={`aslink ${look}`} {...(rest as object)} onClick={click} />;
}

/** A link to a page elsewhere; anything but http(s) and mailto stays plain text. */
export function Link({ url, children }: { url: string; children: Words }) {
  if (!/^(https?:|mailto:)/i.test(url)) return <>{children}</>;
  return (
    <a href={url} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}

/** Icon, bold sentence, plain sentence, then whatever leads on. */
export function Note({
  icon,
  title,
  text,
  children,
}: {
  icon: string;
  title?: Words;
  text?: Words;
  children?: Words;
}) {
  return (
    <div class="note">
      <Icon name={icon} tone={icon} />
      <p>
        {title && <span class="b">{title}</span>}
        {title && text ? " " : ""}
        {text}
      </p>
      {children}
    </div>
  );
}

/** What went wrong, and what to do now. */
export const Failed = ({ sentence, hint, children }: ErrorState & { children?: Words }) => (
  <div class="note">
    <Icon name="fail" tone="fail" />
    <h3>{sentence}</h3>
    {hint && <p>{hint}</p>}
    {children}
  </div>
);

/** The panel's error, read out at once. */
export const Alert = ({ error }: { error: ErrorState | null }) => (
  <div role="alert" class={error ? "callout fail" : "quiet"}>
    {error && <Failed {...error} />}
  </div>
);

export function Tag({ children }: { children: Words }) {
  return <span class="tag">{children}</span>;
}

interface FoldProps {
  title: Words;
  about?: Words;
  open?: boolean;
  class?: string;
  children: Words;
}

/** A folded part. A person opens and closes it; a state may open it, and never closes it. */
export function Fold({ title, about, open = false, class: look = "folded", children }: FoldProps) {
  const ref = useRef<HTMLDetailsElement>(null);
  useLayoutEffect(() => {
    if (open) ref.current!.open = true;
  }, [open]);
  return (
    <details class={look} ref={ref}>
      <summary>
        <Icon name="right" />
        <span>{title}</span>
        {about && <span class="muted">{about}</span>}
      </summary>
      {children}
    </details>
  );
}

/** Arrow keys, Home and End move inside the element, which is one tab stop. */
export function useRoving(ref: RefObject<HTMLElement | null>, selector: string): void {
  const items = () =>
    [...ref.current!.querySelectorAll<HTMLElement>(selector)].filter((each) => !each.ariaDisabled);
  const point = (target: Element | undefined) => {
    for (const each of items()) each.tabIndex = each === target ? 0 : -1;
  };
  useLayoutEffect(() => {
    const list = ref.current!;
    const enter = ({ target }: FocusEvent) => {
      if ((target as Element).matches(selector)) point(target as Element);
    };
    const step = (event: KeyboardEvent) => {
      const all = items();
      const to = stepTo(event.key, all.indexOf(focused(list)!), all.length);
      if (to < 0) return;
      event.preventDefault();
      all[to].focus();
    };
    list.addEventListener("focusin", enter);
    list.addEventListener("keydown", step);
  }, []);
  useLayoutEffect(() => {
    const all = items();
    const current = (each: HTMLElement) => each.ariaCurrent || each.ariaSelected === "true";
    point(all.find((each) => each === focused(each)) ?? all.find(current) ?? all[0]);
  });
}

/** Whether the text is in the clipboard now; a page without the right to write there shows it. */
export async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Save what the parts make as a file that the browser downloads. */
export function download(name: string, parts: BlobPart[], type: string): void {
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(new Blob(parts, { type }));
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000); // the browser may read it a little later
}

/** "a", "a and b", "a, b and c" */
export function listWords(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;
}

export function plural(count: number, word: string): string {
  return count === 1 ? word : `${word}s`;
}
