import {
  type MongoDatabase,
  type MongoNamespace,
  useMay,
  useMongoCollections,
} from "@studio-databases/client/react";
import { ChevronRight, Database } from "lucide-react";
import type { ReactNode } from "react";
import { ContextMenu } from "@/ui";
import { type Action, type Choice, databaseItems } from "../actions";
import { CollectionNode } from "./collection";

/** A database, and where it is open its collections. */
export function DatabaseNode({
  databaseId,
  database,
  open,
  search,
  chosen,
  onToggle,
  onChoose,
  onAction,
}: {
  databaseId: string;
  database: MongoDatabase;
  open: boolean;
  search: string;
  chosen: MongoNamespace;
  onToggle: () => void;
  onChoose: (choice: Choice) => void;
  onAction: (action: Action) => void;
}) {
  const may = useMay(databaseId);
  const items = databaseItems(may, database, onAction);
  const current = chosen.databaseName === database.name;
  const row = (
    <div
      role="treeitem"
      aria-level={1}
      aria-expanded={open}
      aria-selected={current && !chosen.collection}
      tabIndex={current && !(open && chosen.collection) ? 0 : -1}
      onClick={onToggle}
      // The tree around it has the keys.
      onKeyDown={() => undefined}
      className="flex cursor-pointer items-center gap-1.5 px-2 py-1 select-none hover:bg-surface-200"
    >
      <ChevronRight
        size={13}
        className={open ? "shrink-0 rotate-90 text-text-muted" : "shrink-0 text-text-muted"}
        aria-hidden
      />
      <Database size={13} className="shrink-0 text-text-muted" aria-hidden />
      <span className="min-w-0 flex-1 truncate font-medium">{database.name}</span>
      {database.is_system ? <span className="text-xs text-text-muted">system</span> : null}
    </div>
  );
  return (
    <>
      {items.length > 0 ? <ContextMenu items={items}>{row}</ContextMenu> : row}
      {open ? (
        <div role="group">
          <Collections
            databaseId={databaseId}
            database={database}
            search={search}
            chosen={chosen}
            onChoose={onChoose}
            onAction={onAction}
          />
        </div>
      ) : null}
    </>
  );
}

function Collections({
  databaseId,
  database,
  search,
  chosen,
  onChoose,
  onAction,
}: {
  databaseId: string;
  database: MongoDatabase;
  search: string;
  chosen: MongoNamespace;
  onChoose: (choice: Choice) => void;
  onAction: (action: Action) => void;
}) {
  const found = useMongoCollections(databaseId, database.name, search);
  if (found.isPending) return <Line>Loading collections…</Line>;
  if (found.isError) {
    return (
      <Line onPress={() => found.refetch()}>
        <span className="text-danger">{found.error.message}</span> Try again
      </Line>
    );
  }
  const collections = found.data.pages.flatMap((page) => page.collections);
  return (
    <>
      {collections.map((each) => (
        <CollectionNode
          key={each.name}
          databaseId={databaseId}
          databaseName={database.name}
          collection={each}
          current={chosen.databaseName === database.name && chosen.collection === each.name}
          onChoose={() => onChoose({ db: database.name, collection: each.name })}
          onAction={onAction}
        />
      ))}
      {collections.length === 0 ? (
        <Line>{search ? "None has this in its name." : "No collections yet."}</Line>
      ) : null}
      {found.hasNextPage ? (
        <Line onPress={() => found.fetchNextPage()}>
          {found.isFetchingNextPage ? "Loading…" : "Show more collections"}
        </Line>
      ) : null}
    </>
  );
}

/** An entry that is no collection. */
function Line({ children, onPress }: { children: ReactNode; onPress?: () => void }) {
  return (
    <div
      role="treeitem"
      aria-level={2}
      aria-disabled={onPress ? undefined : true}
      aria-selected={false}
      tabIndex={-1}
      onClick={onPress}
      onKeyDown={() => undefined}
      className={
        onPress
          ? "cursor-pointer py-1 pr-2 pl-9 text-xs text-brand-text hover:underline"
          : "py-1 pr-2 pl-9 text-xs text-text-muted"
      }
    >
      {children}
    </div>
  );
}
