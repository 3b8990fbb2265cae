import { CopyPlus, Eye, Pencil, Trash2 } from "lucide-react";
import type { KeyboardEvent } from "react";
import { compact, type Node, type Path, setAt, writeLines } from "@/lib/ejson";
import { Button, Copy, IconButton } from "@/ui";
import { Fields, type FieldsState } from "./fields";
import { type Doc, nameOf } from "./page";

/** What can be done with a document; undefined where it may not. */
export interface DocumentActions {
  /** Opens the editor, with what was changed in the list. */
  onEdit: (document: Doc, draft?: Node) => void;
  onClone?: ((document: Doc) => void) | undefined;
  onDelete?: ((document: Doc) => void) | undefined;
  /** Values can be changed in their place: the whole document is there. */
  inline: boolean;
}

/** A document of the list. */
export function Card({
  document,
  draft,
  onDraft,
  state,
  actions,
}: {
  document: Doc;
  /** What was changed, and not saved yet. */
  draft: Node | undefined;
  onDraft: (draft: Node | undefined) => void;
  state: FieldsState;
  actions: DocumentActions;
}) {
  const { onEdit, onClone, onDelete, inline } = actions;
  const node = draft ?? document.node;
  const change = (path: Path, value: Node | undefined) => onDraft(setAt(node, path, value));

  function keys(event: KeyboardEvent) {
    if (event.target !== event.currentTarget) return;
    if (event.key === "Enter") onEdit(document, draft);
    else if (event.key === "Delete" && onDelete) onDelete(document);
    else return;
    event.preventDefault();
  }

  return (
    <article
      aria-label={`Document ${nameOf(document)}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: Enter edits it and Delete deletes it
      tabIndex={0}
      onKeyDown={keys}
      className="group/card relative rounded-md border bg-surface-100 px-2 py-1.5"
    >
      <div className="absolute top-1 right-1 z-[1] flex rounded-md bg-surface-100 opacity-0 group-hover/card:opacity-100 focus-within:opacity-100">
        <IconButton
          label={inline ? "Edit document" : "Open document"}
          onClick={() => onEdit(document, draft)}
        >
          {inline ? <Pencil size={13} aria-hidden /> : <Eye size={13} aria-hidden />}
        </IconButton>
        <Copy text={() => writeLines(compact(document.node))} label="Copy document" />
        {onClone ? (
          <IconButton label="Clone document" onClick={() => onClone(document)}>
            <CopyPlus size={13} aria-hidden />
          </IconButton>
        ) : null}
        {onDelete ? (
          <IconButton label="Delete document" onClick={() => onDelete(document)}>
            <Trash2 size={13} className="text-danger" aria-hidden />
          </IconButton>
        ) : null}
      </div>
      <Fields
        node={node}
        before={draft ? document.node : undefined}
        prefix={document.key}
        state={state}
        onChange={inline && document.id !== undefined ? change : undefined}
      />
      {draft ? (
        <div className="mt-1.5 flex items-center gap-2 border-t pt-1.5">
          <span className="flex-1 text-xs text-warning">Changed, not saved</span>
          <Button onClick={() => onDraft(undefined)}>Discard</Button>
          <Button kind="primary" onClick={() => onEdit(document, draft)}>
            Review and save
          </Button>
        </div>
      ) : null}
    </article>
  );
}
