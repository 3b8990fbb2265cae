/** The last queries of a collection. They are kept in the browser's tab (`sessionStorage`) and nowhere else: they hold values
 * of documents. They are gone when the tab is closed or the user signs out. */

import type { MongoNamespace } from "@studio-databases/client/react";
import { mongoSearch, type QueryText } from "../search";

const MOST = 15;
/** Characters of all texts of a query; longer ones are not kept. */
const LONGEST = 4_000;
const PREFIX = "mongodb-queries";

export function historyKey(
  databaseId: string,
  { databaseName, collection }: MongoNamespace,
  subject: string,
): string {
  return [PREFIX, subject, databaseId, databaseName, collection].map(encodeURIComponent).join("/");
}

/** What of a query is kept: its texts, without how many documents a page has. */
function kept({ filter, projection, sort, collation, hint, skip, maxTimeMs }: QueryText): QueryText {
  return { filter, projection, sort, collation, hint, skip, maxTimeMs };
}

/** The queries of before, the newest first. */
export function readHistory(storage: Storage, key: string): readonly QueryText[] {
  try {
    const found: unknown = JSON.parse(storage.getItem(key) ?? "[]");
    if (!Array.isArray(found)) return [];
    return found.slice(0, MOST).map((each) => kept(mongoSearch(Object(each))));
  } catch {
    // Something else wrote there, or the browser keeps nothing.
    return [];
  }
}

/** The queries with one more; an empty one is none, and one that was there moves to the front. */
export function withQuery(before: readonly QueryText[], query: QueryText): readonly QueryText[] {
  const next = kept(query);
  const text = JSON.stringify(next);
  if (text === "{}" || text.length > LONGEST) return before;
  return [next, ...before.filter((each) => JSON.stringify(each) !== text)].slice(0, MOST);
}

/** Keeps queries; where the browser keeps nothing they last as long as the page. */
export function writeHistory(storage: Storage, key: string, queries: readonly QueryText[]): void {
  try {
    if (queries.length === 0) storage.removeItem(key);
    else storage.setItem(key, JSON.stringify(queries));
  } catch {
    // It is full, or not allowed: nothing is lost but a convenience.
  }
}
