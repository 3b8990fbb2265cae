import { useMemo, useState } from "react";
import { type BsonType, columnsOf, get, typeOf } from "@/lib/ejson";
import { type Column, Grid } from "@/ui";
import type { Doc } from "./page";
import { nameOf, Value } from "./value";

const MOST_COLUMNS = 60;

/** Widths of columns whose values have one type. */
const WIDTHS: Partial<Record<BsonType, string>> = {
  int: "7rem",
  bool: "7rem",
  double: "10rem",
  long: "13rem",
  date: "14rem",
  objectId: "14.5rem",
};
const WIDE = "16rem";

/** Documents as a grid, a column for each of their outermost fields. */
export function Table({ documents, onOpen }: { documents: readonly Doc[]; onOpen: (document: Doc) => void }) {
  const [selected, setSelected] = useState<string>();
  const columns = useMemo(() => {
    const nodes = documents.map((each) => each.node);
    return columnsOf(nodes, MOST_COLUMNS).map((name): Column<Doc> => {
      const types = new Set<BsonType>();
      for (const node of nodes) {
        const value = get(node, name);
        if (value) types.add(typeOf(value));
      }
      return {
        id: name,
        header: (
          <span>
            {name} <span className="font-normal text-text-muted">{[...types].map(nameOf).join(", ")}</span>
          </span>
        ),
        width: types.size === 1 ? (WIDTHS[[...types][0] ?? "raw"] ?? WIDE) : WIDE,
        cell: (row) => {
          const value = get(row.node, name);
          return value ? <Value node={value} /> : null;
        },
      };
    });
  }, [documents]);
  return (
    <Grid<Doc>
      label="Documents"
      rows={documents}
      columns={columns}
      rowKey={(row) => row.key}
      rowHeight={30}
      selected={selected}
      onSelect={(row) => {
        setSelected(row.key);
      }}
      onOpen={onOpen}
    />
  );
}
