import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { type Node, write } from "@/lib/ejson";
import { Card, type DocumentActions } from "./card";
import type { Doc } from "./page";

const GUESSED_HEIGHT = 190;

/** A document that was changed here, and what it was then. */
interface Draft {
  of: Doc;
  changed: Node;
}

/** The draft, unless it is what the server has by now: it was saved. */
function stillWanted(draft: Draft | undefined, document: Doc): Draft | undefined {
  return draft && write(draft.changed) !== write(document.node) ? draft : undefined;
}

/** Documents one below the other, each a tree of its fields. */
export function List({ documents, actions }: { documents: readonly Doc[]; actions: DocumentActions }) {
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [editing, setEditing] = useState<string>();
  const [drafts, setDrafts] = useState<ReadonlyMap<string, Draft>>(new Map());
  const virtual = useVirtualizer({
    count: documents.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => GUESSED_HEIGHT,
    getItemKey: (index) => documents[index]?.key ?? index,
    overscan: 4,
    gap: 8,
    paddingStart: 8,
    paddingEnd: 8,
  });
  const state = {
    open,
    editing,
    edit: setEditing,
    toggle: (key: string) =>
      setOpen((before) => {
        const next = new Set(before);
        if (!next.delete(key)) next.add(key);
        return next;
      }),
  };
  function setDraft(of: Doc, changed: Node | undefined) {
    setDrafts((before) => {
      const next = new Map(before);
      if (changed) next.set(of.key, { of, changed });
      else next.delete(of.key);
      return next;
    });
  }

  return (
    <div
      ref={scroller}
      role="region"
      aria-label="Documents"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be reached by keyboard
      tabIndex={0}
      className="min-h-0 flex-1 overflow-y-auto"
    >
      <div className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const document = documents[item.index];
          if (!document) return null;
          const draft = stillWanted(drafts.get(document.key), document);
          return (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              className="absolute inset-x-2"
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <Card
                document={draft?.of ?? document}
                draft={draft?.changed}
                onDraft={(changed) => setDraft(draft?.of ?? document, changed)}
                state={state}
                actions={actions}
              />
            </div>
          );
        })}
      </div>
    </div>
  );
}
