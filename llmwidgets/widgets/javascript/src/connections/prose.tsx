// A sentence of the kernel: commands between backticks in the style of code, addresses that wrap well.

interface AddressProps {
  children: string;
  /** What stands right behind it, and stays there. */
  end?: string;
}

/** An address wraps behind a slash or before a dot, never within a word. */
export function Address({ children, end }: AddressProps) {
  return (
    <span class="address">
      <code>
        {children.split(/(?<=[^/]\/)(?=[^/])|(?=\.)/).map((part, n) => (
          <>
            {n > 0 && <wbr />}
            {part}
          </>
        ))}
      </code>
      {end}
    </span>
  );
}

/** A command, or an address and the mark behind it. */
const MARKED = /(`[^`]+`|https?:\/\/[^\s,;)]*[^\s,;).][,;).]*)/;
const END = /[,;).]+$/;

export function Prose({ text }: { text: string }) {
  return (
    <>
      {text.split(MARKED).map((part, n) => {
        if (n % 2 === 0) return part;
        if (part.startsWith("`")) return <code>{part.slice(1, -1)}</code>;
        return <Address end={part.match(END)?.[0]}>{part.replace(END, "")}</Address>;
      })}
    </>
  );
}
