// A sentence of the kernel: commands between backticks in the style of code, addresses that wrap well.

/** An address wraps behind a slash or before a dot, never within a word. */
export function Address({ children }: { children: string }) {
  return (
    <code class="address">
      {children.split(/(?<=[^/]\/)(?=[^/])|(?=\.)/).map((part, n) => (
        <>
          {n > 0 && <wbr />}
          {part}
        </>
      ))}
    </code>
  );
}

const MARKED = /(`[^`]+`|https?:\/\/[^\s,;)]*[^\s,;).])/;

export function Prose({ text }: { text: string }) {
  return (
    <>
      {text.split(MARKED).map((part, n) => {
        if (n % 2 === 0) return part;
        if (part.startsWith("`")) return <code>{part.slice(1, -1)}</code>;
        return <Address>{part}</Address>;
      })}
    </>
  );
}
