import type { MongoDatabase, MongoNamespace } from "@studio-databases/client/react";
import { Copy, PencilLine, Plus, Trash2 } from "lucide-react";
import { type MenuItem, toast } from "@/ui";

/** Something that asks before it is done. */
export type Action =
  | { kind: "create-database" }
  | { kind: "create"; databaseName: string }
  | { kind: "rename"; of: MongoNamespace }
  | { kind: "drop"; of: MongoNamespace; type: string }
  | { kind: "drop-database"; databaseName: string };

type May = (action: string) => boolean;
type Start = (action: Action) => void;

function copyName(name: string): MenuItem {
  const copy = () =>
    navigator.clipboard.writeText(name).catch(() => toast.failed("The browser does not let this page copy."));
  return { label: "Copy name", icon: <Copy size={14} aria-hidden />, onSelect: copy };
}

/** What can be done with a database. */
export function databaseItems(may: May, database: MongoDatabase, start: Start): (MenuItem | null)[] {
  const found: (MenuItem | null)[] = [];
  const databaseName = database.name;
  if (may("mongodb.collection.create") && !database.is_system) {
    found.push({
      label: "Create collection…",
      icon: <Plus size={14} aria-hidden />,
      onSelect: () => start({ kind: "create", databaseName }),
    });
  }
  found.push(copyName(databaseName));
  if (may("mongodb.database.drop") && !database.is_system) {
    found.push(null, {
      label: "Drop database…",
      icon: <Trash2 size={14} aria-hidden />,
      danger: true,
      onSelect: () => start({ kind: "drop-database", databaseName }),
    });
  }
  return found;
}

/** What can be done with a collection or view. */
export function collectionItems(
  may: May,
  of: MongoNamespace,
  type: string,
  start: Start,
): (MenuItem | null)[] {
  const found: (MenuItem | null)[] = [];
  const isSystem = of.collection.startsWith("system.");
  if (may("mongodb.collection.rename") && type === "collection" && !isSystem) {
    found.push({
      label: "Rename…",
      icon: <PencilLine size={14} aria-hidden />,
      shortcut: "F2",
      onSelect: () => start({ kind: "rename", of }),
    });
  }
  found.push(copyName(of.collection));
  if (may("mongodb.collection.drop") && !isSystem) {
    found.push(null, {
      label: type === "view" ? "Drop view…" : "Drop collection…",
      icon: <Trash2 size={14} aria-hidden />,
      shortcut: "Del",
      danger: true,
      onSelect: () => start({ kind: "drop", of, type }),
    });
  }
  return found;
}
