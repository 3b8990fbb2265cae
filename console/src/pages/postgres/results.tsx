import type { PgRow } from "@studio-databases/client/react";
import { type ReactNode, useMemo, useState } from "react";
import { type Column, Grid } from "@/ui";

/** Characters of a value in a cell; the side panel has all. */
const MOST_IN_CELL = 200;
const NUMERIC = /^(?:int|float|numeric|money|oid)/;

/** Rows as a grid: a column each, its type below its name. */
export function Results({
  label,
  rows,
  names,
  types = {},
  onOpen,
  empty,
}: {
  label: string;
  rows: readonly PgRow[];
  names: readonly string[];
  types?: Readonly<Record<string, string>>;
  /** A click on a row, or Enter. */
  onOpen?: (row: PgRow) => void;
  empty?: ReactNode;
}) {
  const [selected, setSelected] = useState<string>();
  const columns = useMemo(
    () =>
      names.map(
        (name): Column<PgRow> => ({
          id: name,
          header: (
            <span>
              {name} <span className="font-normal text-text-muted">{types[name]}</span>
            </span>
          ),
          width: "minmax(12rem, 1fr)",
          ...(NUMERIC.test(types[name] ?? "") ? { align: "right" as const } : {}),
          cell: (row) => <Value value={row[name]} />,
        }),
      ),
    [names, types],
  );
  return (
    <Grid<PgRow>
      label={label}
      rows={rows}
      columns={columns}
      rowKey={(_, index) => String(index)}
      selected={selected}
      onSelect={(_, index) => setSelected(String(index))}
      {...(onOpen ? { onOpen, opensOnClick: true } : {})}
      empty={empty}
    />
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null) return <span className="text-text-muted">NULL</span>;
  if (value === undefined) return null;
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return <span className="font-mono text-xs">{text.slice(0, MOST_IN_CELL)}</span>;
}
