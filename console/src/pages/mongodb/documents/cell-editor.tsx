import { Popover } from "radix-ui";
import { useRef } from "react";
import type { Node } from "@/lib/ejson";
import type { Doc } from "./page";
import { ValueEditor } from "./value-editor";

/** One value of the table. */
export interface Cell {
  document: Doc;
  /** Of the column. */
  name: string;
  value: Node;
  /** Where it is shown. */
  place: HTMLElement;
}

/** Edits a value of the table above its cell. */
export function CellEditor({
  cell,
  onClose,
  onDone,
}: {
  cell: Cell;
  onClose: () => void;
  onDone: (changed: Node) => void;
}) {
  const place = useRef(cell.place);
  return (
    <Popover.Root open onOpenChange={onClose}>
      <Popover.Anchor virtualRef={place} />
      <Popover.Portal>
        <Popover.Content
          align="start"
          aria-label={`${cell.name} of the document`}
          className="z-50 w-[min(30rem,92vw)] rounded-md border border-line-strong bg-overlay p-2 shadow-xl outline-none"
          collisionPadding={8}
          sideOffset={-28}
          // The control takes the focus itself, and the grid has it back afterwards.
          onOpenAutoFocus={(event) => event.preventDefault()}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            cell.place.closest<HTMLElement>('[role="grid"]')?.focus();
          }}
        >
          <ValueEditor label={cell.name} node={cell.value} onCancel={onClose} onDone={onDone} />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
