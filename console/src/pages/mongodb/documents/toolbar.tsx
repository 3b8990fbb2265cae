import { Braces, Eraser, ListTree, PencilLine, Plus, RefreshCw, Table2 } from "lucide-react";
import { Button, IconButton } from "@/ui";
import type { Layout } from "../search";

const LAYOUTS = [
  ["list", "List", ListTree],
  ["table", "Table", Table2],
  ["json", "JSON", Braces],
] as const;

/** What can be done with the documents, and how they are shown; undefined where it may not be done. */
export function Toolbar({
  layout,
  busy,
  onLayout,
  onRefresh,
  onInsert,
  onUpdateMany,
  onDeleteMany,
}: {
  layout: Layout;
  busy: boolean;
  onLayout: (layout: Layout) => void;
  onRefresh: () => void;
  onInsert: (() => void) | undefined;
  onUpdateMany: (() => void) | undefined;
  onDeleteMany: (() => void) | undefined;
}) {
  return (
    <div className="flex h-10 shrink-0 items-center gap-2 border-b px-3">
      {onInsert ? (
        <Button kind="primary" icon={<Plus size={13} aria-hidden />} onClick={onInsert}>
          Insert
        </Button>
      ) : null}
      {onUpdateMany ? (
        <Button icon={<PencilLine size={13} aria-hidden />} onClick={onUpdateMany}>
          Update…
        </Button>
      ) : null}
      {onDeleteMany ? (
        <Button icon={<Eraser size={13} aria-hidden />} onClick={onDeleteMany}>
          Delete…
        </Button>
      ) : null}
      <span className="flex-1" />
      <IconButton label="Refresh" onClick={onRefresh}>
        <RefreshCw size={14} className={busy ? "animate-spin" : ""} aria-hidden />
      </IconButton>
      <div role="group" aria-label="Show documents as" className="flex rounded-md border border-line-strong">
        {LAYOUTS.map(([value, label, Icon]) => (
          <button
            key={value}
            type="button"
            aria-pressed={layout === value}
            aria-label={label}
            title={label}
            onClick={() => onLayout(value)}
            className={
              layout === value
                ? "rounded bg-surface-300 px-2 py-1 text-text"
                : "px-2 py-1 text-text-light hover:text-text"
            }
          >
            <Icon size={14} aria-hidden />
          </button>
        ))}
      </div>
    </div>
  );
}
