/** Documents to a file, and from one. */

import { useMay } from "@studio-databases/client/react";
import type { WorkProps } from "../types";
import { Export } from "./export";
import { Import } from "./import";

export function Transfer({ databaseId, databaseName, collection }: WorkProps) {
  const of = { databaseName, collection };
  const may = useMay(databaseId);
  const mayImport = may("mongodb.transfer.import");
  return (
    <div className="grid min-h-0 flex-1 grid-cols-1 content-start gap-4 overflow-y-auto p-4 lg:grid-cols-2">
      <Export databaseId={databaseId} of={of} />
      {mayImport ? <Import databaseId={databaseId} of={of} /> : null}
    </div>
  );
}
