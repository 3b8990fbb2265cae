import { type PgRow, type PgTable, usePgRows, usePgTable } from "@studio-databases/client/react";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useState } from "react";
import { short } from "@/lib/format";
import { Asked, Empty, IconButton, Select, SidePanel } from "@/ui";
import { Results } from "./results";

const SIZES = [100, 500, 1000];

/** The rows of a table, page by page. */
export function Rows({ databaseId, table }: { databaseId: string; table: PgTable }) {
  const [page, setPage] = useState(0);
  const [size, setSize] = useState(SIZES[0] ?? 100);
  const [row, setRow] = useState<PgRow>();
  const details = usePgTable(databaseId, table.id);
  const found = usePgRows(databaseId, table, page, size);
  const rows = found.data?.slice(0, size) ?? [];
  const hasNext = (found.data?.length ?? 0) > size;
  const types = Object.fromEntries(
    details.data?.columns?.map((column) => [column.name, column.format]) ?? [],
  );
  const names = details.data?.columns?.map((column) => column.name) ?? Object.keys(rows[0] ?? {});
  return (
    <div className="flex min-w-0 flex-1 flex-col">
      <Asked of={found}>Loading rows…</Asked>
      {found.isSuccess ? (
        <Results
          key={page}
          label={`Rows of ${table.name}`}
          rows={rows}
          names={names}
          types={types}
          onOpen={setRow}
          empty={<Empty title="This table has no rows." />}
        />
      ) : null}
      <footer className="flex h-10 shrink-0 items-center gap-3 border-t px-3 text-xs text-text-light">
        <IconButton label="Page before" disabled={page === 0} onClick={() => setPage(page - 1)}>
          <ChevronLeft size={14} aria-hidden />
        </IconButton>
        <span>Page {page + 1}</span>
        <IconButton label="Next page" disabled={!hasNext} onClick={() => setPage(page + 1)}>
          <ChevronRight size={14} aria-hidden />
        </IconButton>
        <Select
          aria-label="Rows a page"
          className="!h-7 !w-28 !text-xs"
          value={size}
          onChange={(event) => {
            setSize(Number(event.target.value));
            setPage(0);
          }}
        >
          {SIZES.map((each) => (
            <option key={each} value={each}>
              {each} rows
            </option>
          ))}
        </Select>
        <span>~{short(table.live_rows_estimate)} rows, as PostgreSQL estimates</span>
        {table.primary_keys.length === 0 ? <span>no primary key: the order of pages may change</span> : null}
      </footer>
      <SidePanel
        open={row !== undefined}
        onOpenChange={() => setRow(undefined)}
        title={`A row of ${table.name}`}
      >
        <dl className="flex flex-col gap-3 text-sm">
          {Object.entries(row ?? {}).map(([name, value]) => (
            <div key={name}>
              <dt className="text-xs text-text-light">
                {name} <span className="text-text-muted">{types[name]}</span>
              </dt>
              <dd className="font-mono text-xs break-all whitespace-pre-wrap">{shown(value)}</dd>
            </div>
          ))}
        </dl>
      </SidePanel>
    </div>
  );
}

function shown(value: unknown): string {
  if (value === null) return "NULL";
  return typeof value === "object" ? JSON.stringify(value, null, 2) : String(value);
}
