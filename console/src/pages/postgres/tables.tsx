import { type PgTable, usePgSchemas, usePgTables } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { Table2 } from "lucide-react";
import { short } from "@/lib/format";
import { Empty, Failure, Loading, Select } from "@/ui";
import { Rows } from "./rows";

/** The tables of a schema beside the rows of the chosen one. */
export function Tables({
  databaseId,
  schema,
  table,
  onChoose,
}: {
  databaseId: string;
  schema: string;
  table: number | undefined;
  onChoose: (chosen: { schema: string; table?: number }) => void;
}) {
  const schemas = usePgSchemas(databaseId);
  const tables = usePgTables(databaseId, schema);
  const chosen = tables.data?.find((each) => each.id === table);
  const names = schemas.data?.map((each) => each.name) ?? [schema];
  return (
    <div className="flex min-h-0 flex-1">
      <aside aria-label="Tables" className="flex w-64 shrink-0 flex-col border-r">
        <div className="border-b p-2">
          <Select
            aria-label="Schema"
            className="!h-8"
            value={schema}
            onChange={(event) => onChoose({ schema: event.target.value })}
          >
            {names.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </Select>
        </div>
        <div className="min-h-0 flex-1 overflow-y-auto">
          {tables.isPending ? <Loading>Loading tables…</Loading> : null}
          {tables.isError ? (
            <Failure className="m-2" error={tables.error} onRetry={() => tables.refetch()} />
          ) : null}
          {tables.data?.length === 0 ? <Empty title="No tables in this schema." /> : null}
          <ul>
            {tables.data?.map((each) => (
              <li key={each.id}>
                <Entry
                  table={each}
                  current={each.id === table}
                  onChoose={() => onChoose({ schema, table: each.id })}
                />
              </li>
            ))}
          </ul>
        </div>
      </aside>
      {chosen ? (
        <Rows key={chosen.id} databaseId={databaseId} table={chosen} />
      ) : (
        <div className="flex-1">
          <Empty title="Choose a table to see its rows." />
        </div>
      )}
    </div>
  );
}

function Entry({ table, current, onChoose }: { table: PgTable; current: boolean; onChoose: () => void }) {
  return (
    <button
      type="button"
      aria-current={current ? "true" : undefined}
      onClick={onChoose}
      className={clsx(
        "flex w-full items-center gap-2 px-3 py-1.5 text-left text-sm hover:bg-surface-200",
        current && "bg-surface-300",
      )}
    >
      <Table2 size={14} className="shrink-0 text-text-muted" aria-hidden />
      <span className="min-w-0 flex-1 truncate">{table.name}</span>
      <span className="text-xs text-text-muted" title="Rows, as PostgreSQL estimates">
        ~{short(table.live_rows_estimate)}
      </span>
    </button>
  );
}
