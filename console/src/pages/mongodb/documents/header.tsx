import { type MongoNamespace, useMay, useMongoStats } from "@studio-databases/client/react";
import { MoreHorizontal } from "lucide-react";
import { useState } from "react";
import { bytes, count } from "@/lib/format";
import { Badge, IconButton, Menu } from "@/ui";
import { type Action, Actions, type Choice, collectionItems } from "../actions";

/** Which collection is shown, how large it is, and what can be done with it. */
export function Header({
  databaseId,
  of,
  onChoose,
}: {
  databaseId: string;
  of: MongoNamespace;
  onChoose: (choice: Choice) => void;
}) {
  const { data: stats } = useMongoStats(databaseId, of);
  const may = useMay(databaseId);
  const [action, setAction] = useState<Action>();
  const type = stats?.type ?? "";
  // A server that only speaks MongoDB's protocol may say 0 bytes of everything.
  const known = stats && stats.document_count >= 0;
  const hasSize = stats && stats.data_bytes > 0;
  return (
    <div className="flex h-10 shrink-0 items-center gap-2 px-3">
      <h2 className="min-w-0 truncate text-sm">
        <span className="text-text-light">{of.databaseName}.</span>
        <span className="font-medium">{of.collection}</span>
      </h2>
      {type === "view" ? <Badge>view</Badge> : null}
      {type === "timeseries" ? <Badge>time series</Badge> : null}
      {stats?.capped ? <Badge>capped</Badge> : null}
      {known ? (
        <span className="truncate text-xs text-text-light">
          {[
            `~${count(stats.document_count)} ${stats.document_count === 1 ? "document" : "documents"}`,
            hasSize ? bytes(stats.data_bytes) : "",
            hasSize && stats.storage_bytes > 0 ? `${bytes(stats.storage_bytes)} on disk` : "",
            stats.index_count >= 0
              ? `${count(stats.index_count)} ${stats.index_count === 1 ? "index" : "indexes"}`
              : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
      ) : null}
      <span className="flex-1" />
      <Menu
        trigger={
          <IconButton label="More about this collection">
            <MoreHorizontal size={15} aria-hidden />
          </IconButton>
        }
        items={collectionItems(may, of, type, setAction)}
      />
      <Actions
        databaseId={databaseId}
        action={action}
        onClose={() => setAction(undefined)}
        onChoose={onChoose}
      />
    </div>
  );
}
