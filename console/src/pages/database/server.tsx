import {
  type Database,
  useBunHealth,
  useBunInfo,
  useMongoServerStatus,
  usePgServer,
  useRedisOverview,
} from "@studio-databases/client/react";
import type { ReactNode } from "react";
import type { EngineType } from "@/lib/engines";
import { bytes, count, duration, short } from "@/lib/format";
import { Facts, Failure, Loading } from "@/ui";

/** Rarely: each time stands in the audit log. */
const EVERY_MS = 30_000;

type Rows = readonly (readonly [string, ReactNode])[];

/** What the server says of itself, and its connections: asked again while one looks. */
export function Server({ database }: { database: Database }) {
  const Engine = ENGINES[database.type as EngineType];
  return (
    <section aria-labelledby="server" className="rounded-md border bg-surface-100">
      <h2 id="server" className="border-b px-4 py-2 text-sm font-medium">
        Server
      </h2>
      <Engine key={database.id} id={database.id} />
    </section>
  );
}

interface Found {
  isPending: boolean;
  error: Error | null;
  refetch: () => unknown;
}

function Answer({ found, rows }: { found: Found; rows: Rows | undefined }) {
  if (found.isPending) return <Loading>Asking the server…</Loading>;
  return (
    <>
      {found.error ? <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} /> : null}
      {rows ? <Facts facts={rows} className="grid-cols-[8rem_1fr] gap-y-1.5 p-4 text-sm" /> : null}
    </>
  );
}

/** What a server does not tell is -1, or not there. */
function told(value: number | undefined, show: (value: number) => string): string {
  return value === undefined || value < 0 ? "–" : show(value);
}

/** `3 open, 1 at work`: what is told of it. */
function known(...parts: readonly (readonly [value: number | undefined, of: string])[]): string {
  return parts
    .filter(([value]) => value !== undefined && value >= 0)
    .map(([value, of]) => `${short(value ?? 0)} ${of}`)
    .join(", ");
}

function seconds(value: number): string {
  return duration(value * 1000);
}

function Redis({ id }: { id: string }) {
  const found = useRedisOverview(id, EVERY_MS);
  const now = found.data;
  const most = now && now.max_memory_bytes > 0 ? ` of ${bytes(now.max_memory_bytes)}` : ", no limit";
  const rows: Rows | undefined = now && [
    ["Version", `${now.flavor || "redis"} ${now.version}`],
    ["Mode", [now.mode, now.role, now.nodes > 1 && `${now.nodes} servers`].filter(Boolean).join(", ")],
    ["Up for", told(now.uptime_s, seconds)],
    ["Memory", told(now.used_memory_bytes, bytes) + most],
    ["Keys", told(now.keys, count)],
    ["Commands", `${told(now.commands_per_s, short)}/s`],
    [
      "Connections",
      `${told(now.connected_clients, count)} of ${told(now.max_clients, count)}, ${told(now.blocked_clients, count)} blocked`,
    ],
  ];
  return <Answer found={found} rows={rows} />;
}

function Mongo({ id }: { id: string }) {
  const found = useMongoServerStatus(id);
  const now = found.data;
  const pool = now?.connections;
  const rows: Rows | undefined = now && [
    ["Version", `${now.process || "MongoDB"} ${now.version}`],
    ["Topology", [now.topology.replaceAll("_", " "), now.set_name].filter(Boolean).join(" ")],
    ["Up for", told(now.uptime_s, seconds)],
    ["Memory", told(now.memory?.resident_bytes, bytes)],
    ["Open cursors", told(now.cursors?.open, count)],
    [
      "Connections",
      known([pool?.current, "open"], [pool?.active, "at work"], [pool?.available, "more possible"]),
    ],
  ];
  return <Answer found={found} rows={rows} />;
}

function Bun({ id }: { id: string }) {
  const found = useBunHealth(id);
  const info = useBunInfo(id).data;
  const now = found.data;
  const pool = now?.pool;
  const rows: Rows | undefined = now && [
    ["State", now.message || now.status],
    ["Runtime", [info?.runtime, info?.runtime_version].filter(Boolean).join(" ")],
    ["API version", info?.version ?? ""],
    ["OpenAPI", info?.document?.path || info?.document_error || ""],
    ["Circuit breaker", now.breaker?.state ?? ""],
    [
      "Connections",
      pool ? `${count(pool.in_use)} in use, ${count(pool.idle)} kept, ${count(pool.max_in_use)} at most` : "",
    ],
  ];
  return <Answer found={found} rows={rows} />;
}

function Postgres({ id }: { id: string }) {
  const found = usePgServer(id, EVERY_MS);
  const now = found.data;
  const rows: Rows | undefined = now && [
    ["Version", now.version],
    ["Up for", told(now.uptime_s, seconds)],
    ["Size", told(now.size_bytes, bytes)],
    ["Role", now.is_replica ? "replica" : "primary"],
    [
      "Connections",
      `${count(now.connections)} of ${count(now.max_connections)}, ${count(now.active)} at work`,
    ],
  ];
  return <Answer found={found} rows={rows} />;
}

const ENGINES: Readonly<Record<EngineType, (props: { id: string }) => ReactNode>> = {
  redis: Redis,
  mongodb: Mongo,
  bun_api: Bun,
  postgres: Postgres,
};
