import { type MongoCollection, useMay, useMongoStats } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { ChartLine, Eye, Table2 } from "lucide-react";
import type { KeyboardEvent } from "react";
import { bytes, count, short } from "@/lib/format";
import { ContextMenu } from "@/ui";
import { type Action, collectionItems } from "../actions";
import { useInSight } from "./in-sight";

const ICONS = { view: Eye, timeseries: ChartLine } as const;

/** A collection or view; how many documents it has is asked for when it is in sight. */
export function CollectionNode({
  databaseId,
  databaseName,
  collection,
  current,
  onChoose,
  onAction,
}: {
  databaseId: string;
  databaseName: string;
  collection: MongoCollection;
  current: boolean;
  onChoose: () => void;
  onAction: (action: Action) => void;
}) {
  const [seen, ref] = useInSight();
  const may = useMay(databaseId);
  const isView = collection.type === "view";
  const of = { databaseName, collection: collection.name };
  const stats = useMongoStats(databaseId, of, seen && !isView);
  const items = collectionItems(may, of, collection.type, onAction);
  const Icon = ICONS[collection.type as keyof typeof ICONS] ?? Table2;
  const documents = stats.data?.document_count ?? -1;

  function keys(event: KeyboardEvent) {
    const wanted = { F2: "F2", Delete: "Del" }[event.key];
    items.find((each) => each !== null && wanted !== undefined && each.shortcut === wanted)?.onSelect();
  }

  const row = (
    <div
      ref={ref}
      role="treeitem"
      aria-level={2}
      aria-selected={current}
      tabIndex={current ? 0 : -1}
      onClick={onChoose}
      onKeyDown={keys}
      title={
        stats.data && stats.data.data_bytes >= 0
          ? `${count(documents)} documents, ${bytes(stats.data.data_bytes)}, ${bytes(stats.data.storage_bytes)} on disk`
          : collection.name
      }
      className={clsx(
        "flex cursor-pointer items-center gap-2 py-1 pr-3 pl-7 select-none hover:bg-surface-200",
        current && "bg-surface-300",
      )}
    >
      <Icon size={13} className="shrink-0 text-text-muted" aria-hidden />
      <span className="min-w-0 flex-1 truncate">{collection.name}</span>
      <span className="text-xs text-text-muted tabular-nums">
        {isView || collection.type === "timeseries"
          ? collection.type === "view"
            ? "view"
            : "time series"
          : null}
        {documents >= 0 ? `~${short(documents)}` : null}
      </span>
    </div>
  );
  return items.length > 0 ? <ContextMenu items={items}>{row}</ContextMenu> : row;
}
