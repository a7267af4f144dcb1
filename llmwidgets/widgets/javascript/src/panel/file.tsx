// A button that has files chosen.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { Button } from "./parts";

interface FileButtonProps {
  accept: string;
  multiple?: boolean;
  take: (files: File[]) => void;
  children: ComponentChildren;
}

/** A button that has files chosen; the same ones again as well. */
export function FileButton({ accept, multiple, take, children }: FileButtonProps) {
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <span>
      <input
        ref={chooser}
        type="file"
        accept={accept}
        multiple={multiple}
        hidden
        tabIndex={-1}
        onChange={({ currentTarget }) => {
          take([...currentTarget.files!]);
          currentTarget.value = "";
        }}
      />
      <Button small onClick={() => chooser.current?.click()}>
        {children}
      </Button>
    </span>
  );
}
