import { type MongoTopEntry, type MongoTopFigure, useMongoTop } from "@studio-databases/client/react";
import { count, duration, short } from "@/lib/format";
import { Asked, type Column, Empty, Grid } from "@/ui";

/** `1.2 s · 340` */
function Figure({ of }: { of: MongoTopFigure | undefined }) {
  if (!of || of.count <= 0) return <span className="text-text-muted">–</span>;
  return (
    <span title={`${count(of.count)} operations`}>
      {duration(of.ms)} <span className="text-text-muted">· {short(of.count)}</span>
    </span>
  );
}

type Kind = Exclude<keyof MongoTopEntry, "namespace">;

function column(id: Kind, header: string): Column<MongoTopEntry> {
  return {
    id,
    header,
    width: "minmax(8rem, 8fr)",
    align: "right",
    cell: (entry) => <Figure of={entry[id]} />,
  };
}

const COLUMNS: readonly Column<MongoTopEntry>[] = [
  {
    id: "namespace",
    header: "Collection",
    width: "minmax(12rem, 16fr)",
    cell: ({ namespace }) => <span title={namespace}>{namespace}</span>,
  },
  column("total", "All"),
  column("reads", "Reads"),
  column("writes", "Writes"),
  column("queries", "Queries"),
  column("inserts", "Inserts"),
  column("updates", "Updates"),
  column("removes", "Deletes"),
  column("commands", "Commands"),
];

/** In which collections the server has spent its time. */
export function Top({ databaseId }: { databaseId: string }) {
  const found = useMongoTop(databaseId);
  const entries = found.data?.collections ?? [];
  return (
    <>
      <Asked of={found}>Asking the server…</Asked>
      {found.data ? (
        <>
          <Grid<MongoTopEntry>
            label="Time by collection"
            rows={entries}
            columns={COLUMNS}
            rowKey={(each) => each.namespace}
            empty={<Empty title="The server has done nothing yet." />}
          />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            Time and number of operations since the server was started,{" "}
            {found.data.has_more
              ? `of the ${count(entries.length)} busiest collections`
              : `of ${count(entries.length)} ${entries.length === 1 ? "collection" : "collections"}`}
            ; every 5 seconds
          </p>
        </>
      ) : null}
    </>
  );
}
