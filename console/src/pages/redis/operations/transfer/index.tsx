/** Keys to a file, and back from one. */

import { type Database, useMay } from "@studio-databases/client/react";
import { isMarked } from "@/lib/engines";
import { Export } from "./export";
import { Import } from "./import";

export default function Transfer({ database }: { database: Database }) {
  const allowed = useMay(database.id);
  return (
    <div className="grid min-h-0 flex-1 content-start items-start gap-4 overflow-y-auto p-4 lg:grid-cols-2">
      {allowed("redis.bulk.export") ? <Export database={database} /> : null}
      {allowed("redis.bulk.import") && !isMarked(database, "readonly") ? (
        <Import database={database} />
      ) : (
        <p className="p-4 text-sm text-text-light">
          {isMarked(database, "readonly")
            ? "This connection is read-only: nothing is imported into it."
            : "You may export keys, not import them."}
        </p>
      )}
    </div>
  );
}
