import type { MongoFile } from "@studio-databases/client/react";
import { get, write } from "@/lib/ejson";
import type { Exact } from "../exact";

export type Row = Exact<MongoFile>;

/** The id of a file as it travels. */
export function idOf(row: Row): string {
  const id = get(row.node, "id");
  return id ? write(id) : "null";
}
