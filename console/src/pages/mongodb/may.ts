import { useDatabase, useMay } from "@studio-databases/client/react";
import { isMarked } from "@/lib/engines";

const READS = /\.(?:list|get|find|stream|count|distinct|stats|analyze|explain)$/;

/** What the caller may do here; on a connection that is registered as read-only nothing that changes. */
export function useMongoMay(databaseId: string): (action: string) => boolean {
  const may = useMay(databaseId);
  const { data: database } = useDatabase(databaseId);
  const readOnly = database === undefined || isMarked(database, "readonly");
  return (action) => may(action) && (!readOnly || READS.test(action));
}
