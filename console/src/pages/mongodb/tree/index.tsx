/** Databases and their collections. A database's collections are asked for when it is opened, their sizes when in sight. */

import { type MongoDatabase, type MongoNamespace, useMay } from "@studio-databases/client/react";
import { useIsFetching, useQueryClient } from "@tanstack/react-query";
import { Plus, RefreshCw } from "lucide-react";
import { type KeyboardEvent, useEffect, useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { IconButton, Input } from "@/ui";
import { type Action, Actions, type Choice } from "../actions";
import { DatabaseNode } from "./database";

export function Tree({
  databaseId,
  databases,
  chosen,
  onChoose,
}: {
  databaseId: string;
  databases: readonly MongoDatabase[];
  chosen: MongoNamespace;
  onChoose: (choice: Choice) => void;
}) {
  const [search, setSearch] = useState("");
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set([chosen.databaseName]));
  const [action, setAction] = useState<Action>();
  const wanted = useDebounced(search.trim());
  const queries = useQueryClient();
  const busy = useIsFetching({ queryKey: ["mongodb", databaseId, "collections"] }) > 0;
  const may = useMay(databaseId);

  useEffect(() => {
    setOpen((before) =>
      before.has(chosen.databaseName) ? before : new Set([...before, chosen.databaseName]),
    );
  }, [chosen.databaseName]);

  function toggle(name: string) {
    setOpen((before) => {
      const next = new Set(before);
      if (!next.delete(name)) next.add(name);
      return next;
    });
  }

  async function refresh() {
    const about = ["databases", "collections", "stats"];
    await Promise.all(
      about.map((each) => queries.invalidateQueries({ queryKey: ["mongodb", databaseId, each] })),
    );
  }

  return (
    <aside aria-label="Databases and collections" className="flex w-60 shrink-0 flex-col border-r xl:w-72">
      <div className="flex items-center gap-1 border-b p-2">
        <Input
          type="search"
          aria-label="Search collections"
          placeholder="Search collections"
          className="!h-[30px] min-w-0 flex-1 !px-2"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <IconButton label="Refresh" onClick={refresh}>
          <RefreshCw size={14} className={busy ? "animate-spin" : ""} aria-hidden />
        </IconButton>
        {may("mongodb.database.create") ? (
          <IconButton label="Create a database" onClick={() => setAction({ kind: "create-database" })}>
            <Plus size={15} aria-hidden />
          </IconButton>
        ) : null}
      </div>
      <div
        role="tree"
        aria-label="Databases"
        tabIndex={-1}
        className="min-h-0 flex-1 overflow-y-auto py-1 text-sm"
        onKeyDown={move}
      >
        {databases.map((database) => (
          <DatabaseNode
            key={database.name}
            databaseId={databaseId}
            database={database}
            // A search looks into the database that is chosen as well.
            open={open.has(database.name)}
            search={wanted}
            chosen={chosen}
            onToggle={() => toggle(database.name)}
            onChoose={onChoose}
            onAction={setAction}
          />
        ))}
      </div>
      <Actions
        databaseId={databaseId}
        action={action}
        onClose={() => setAction(undefined)}
        onChoose={onChoose}
      />
    </aside>
  );
}

/** Arrows go from entry to entry, as in every tree: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/ */
function move(event: KeyboardEvent<HTMLElement>) {
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role="treeitem"]')];
  const at = items.indexOf(event.target as HTMLElement);
  const item = items[at];
  if (!item) return;
  const isOpen = item.getAttribute("aria-expanded");
  const parent = () => items.slice(0, at).findLast((each) => each.getAttribute("aria-level") === "1");
  let next: HTMLElement | undefined;
  if (event.key === "ArrowDown") next = items[at + 1];
  else if (event.key === "ArrowUp") next = items[at - 1];
  else if (event.key === "Home") next = items[0];
  else if (event.key === "End") next = items.at(-1);
  else if (event.key === "ArrowRight" && isOpen === "false") item.click();
  else if (event.key === "ArrowRight" && isOpen === "true") next = items[at + 1];
  else if (event.key === "ArrowLeft" && isOpen === "true") item.click();
  else if (event.key === "ArrowLeft") next = parent();
  else if (event.key === "Enter" || event.key === " ") item.click();
  else return;
  event.preventDefault();
  next?.focus();
}
