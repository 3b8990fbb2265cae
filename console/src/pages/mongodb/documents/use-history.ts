import { type MongoNamespace, useSession } from "@studio-databases/client/react";
import { useState } from "react";
import type { QueryText } from "../search";
import { historyKey, readHistory, withQuery, writeHistory } from "./history";

export interface History {
  queries: readonly QueryText[];
  add: (query: QueryText) => void;
  forget: () => void;
}

/** The last queries of the user on a collection, in this tab. */
export function useHistory(databaseId: string, of: MongoNamespace): History {
  const subject = useSession().data?.subject ?? "";
  const key = historyKey(databaseId, of, subject);
  const [queries, setQueries] = useState(() => readHistory(sessionStorage, key));
  function set(next: readonly QueryText[]) {
    setQueries(next);
    writeHistory(sessionStorage, key, next);
  }
  return { queries, add: (query) => set(withQuery(queries, query)), forget: () => set([]) };
}
