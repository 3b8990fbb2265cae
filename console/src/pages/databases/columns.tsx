import { type Database, useDatabaseHealth } from "@studio-databases/client/react";
import { Link } from "@tanstack/react-router";
import { engineOf, isMarked } from "@/lib/engines";
import { ago, duration, moment } from "@/lib/format";
import { Sparkline } from "@/lib/sparkline";
import { Badge, type Column } from "@/ui";

/** Checks shown of the history. */
const CHECKS = 30;

function Latency({ id }: { id: string }) {
  const { data } = useDatabaseHealth(id);
  const history = (data?.history ?? []).slice(-CHECKS);
  const last = history.at(-1);
  if (!last) return <span className="text-text-muted">–</span>;
  const points = history.map((sample) => ({ value: sample.latency_ms, failed: sample.errors > 0 }));
  const now = last.errors > 0 ? "failing" : duration(last.latency_ms);
  return (
    <span className="flex items-center gap-2">
      <Sparkline points={points} label={`Latency of the last ${history.length} checks; now ${now}`} />
      <span className="text-xs text-text-light tabular-nums">{now}</span>
    </span>
  );
}

export function Status({ database }: { database: Database }) {
  const tone = { active: "good", inactive: "neutral", error: "bad" } as const;
  return <Badge tone={tone[database.status as keyof typeof tone] ?? "neutral"}>{database.status}</Badge>;
}

export const columns: readonly Column<Database>[] = [
  {
    id: "name",
    header: "Name",
    width: "minmax(14rem, 2fr)",
    cell: (database) => (
      <span className="flex items-center gap-2">
        <span className="text-text-light">{engineOf(database).icon}</span>
        <Link
          to="/databases/$id"
          params={{ id: database.id }}
          className="truncate font-medium hover:underline"
        >
          {database.name}
        </Link>
        {isMarked(database, "production") ? <Badge tone="warning">production</Badge> : null}
        {isMarked(database, "readonly") ? <Badge>read-only</Badge> : null}
        {database.source === "environment" ? <Badge tone="info">environment</Badge> : null}
      </span>
    ),
  },
  { id: "type", header: "Type", width: "7rem", cell: (database) => engineOf(database).name },
  { id: "status", header: "Status", width: "6.5rem", cell: (database) => <Status database={database} /> },
  { id: "latency", header: "Latency", width: "12rem", cell: (database) => <Latency id={database.id} /> },
  {
    id: "host",
    header: "Host",
    width: "minmax(10rem, 1.5fr)",
    cell: (database) => (
      <span className="font-mono text-xs text-text-light">
        {database.host}
        {database.port ? `:${database.port}` : ""}
      </span>
    ),
  },
  {
    id: "project",
    header: "Project",
    width: "minmax(8rem, 1fr)",
    cell: (database) => (
      <span className="text-text-light">{database.project_name || database.project_ref || "–"}</span>
    ),
  },
  {
    id: "connected",
    header: "Last connected",
    width: "9rem",
    cell: (database) =>
      database.last_connected_at ? (
        <span className="text-text-light" title={moment(database.last_connected_at)}>
          {ago(database.last_connected_at)}
        </span>
      ) : (
        <span className="text-text-muted">never</span>
      ),
  },
];
