import { type Database, useDatabaseHealth } from "@studio-databases/client/react";
import { lazy, Suspense, useMemo, useState } from "react";
import { count, duration, moment } from "@/lib/format";
import { Empty, Facts, Failure, Loading, Select, Skeleton } from "@/ui";
import { Server } from "./server";

const Chart = lazy(() => import("@/lib/chart"));

const HOUR_MS = 3_600_000;
const SPANS = { "1 hour": 1, "24 hours": 24, "7 days": 168, "30 days": 720 } as const;
type Span = keyof typeof SPANS;

/** How the database has been, and what is known of it. */
export function Overview({ database }: { database: Database }) {
  return (
    <div className="grid h-full grid-cols-1 gap-5 overflow-y-auto p-5 xl:grid-cols-[2fr_1fr]">
      <Health database={database} />
      <div className="flex flex-col gap-5">
        {database.status === "inactive" ? null : <Server database={database} />}
        <ConnectionFacts database={database} />
      </div>
    </div>
  );
}

function Health({ database }: { database: Database }) {
  const [span, setSpan] = useState<Span>(isNew(database) ? "1 hour" : "24 hours");
  // Kept for as long as the span is shown: a new time on each render would ask for ever.
  const since = useMemo(() => new Date(Date.now() - SPANS[span] * HOUR_MS).toISOString(), [span]);
  const { data, error, isPending, refetch } = useDatabaseHealth(database.id, since);
  const history = data?.history ?? [];
  const times = useMemo(() => history.map((each) => Date.parse(each.at ?? "") / 1000), [history]);
  const series = useMemo(
    () => [
      {
        label: "Latency",
        colour: "--brand" as const,
        values: history.map((each) => (each.errors < each.checks ? each.latency_ms : null)),
      },
      {
        label: "Failures",
        colour: "--danger" as const,
        values: history.map((each) => (each.errors > 0 ? 0 : null)),
        points: true,
      },
    ],
    [history],
  );
  const checks = data?.checks ?? 0;
  const up = checks > 0 ? (1 - (data?.errors ?? 0) / checks) * 100 : undefined;

  return (
    <section aria-labelledby="health" className="self-start rounded-md border bg-surface-100">
      <header className="flex items-center justify-between border-b px-4 py-2">
        <h2 id="health" className="text-sm font-medium">
          Health
        </h2>
        <Select
          aria-label="Span"
          className="!h-7 !w-32 !text-xs"
          value={span}
          onChange={(event) => setSpan(event.target.value as Span)}
        >
          {Object.keys(SPANS).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </Select>
      </header>
      {error ? <Failure className="m-4" error={error} onRetry={() => refetch()} /> : null}
      {isPending ? <Loading>Loading the history…</Loading> : null}
      {data && history.length === 0 ? (
        <Empty title="No checks in this span.">
          Databases are checked every few minutes once they are registered.
        </Empty>
      ) : null}
      {data && history.length > 0 ? (
        <>
          <dl className="grid grid-cols-3 gap-4 px-4 pt-4">
            <Figure name="Succeeded" value={up === undefined ? "–" : `${up.toFixed(up === 100 ? 0 : 2)} %`} />
            <Figure name="Mean latency" value={duration(data.latency_ms)} />
            <Figure name="Failures" value={`${count(data.errors)} of ${count(checks)}`} />
          </dl>
          <div className="p-4">
            <Suspense fallback={<Skeleton className="h-[180px]" />}>
              <Chart
                label={`Latency over the last ${span}: mean ${duration(data.latency_ms)}, ${data.errors} of ${checks} checks failed`}
                from={Date.parse(since) / 1000}
                times={times}
                series={series}
                format={duration}
              />
            </Suspense>
          </div>
        </>
      ) : null}
    </section>
  );
}

/** Registered a moment ago: a day's chart would be empty. */
function isNew(database: Database): boolean {
  const registered = database.source === "environment" ? undefined : database.created_at;
  return registered !== undefined && Date.now() - Date.parse(registered) < HOUR_MS;
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt className="text-xs text-text-light">{name}</dt>
      <dd className="text-base tabular-nums">{value}</dd>
    </div>
  );
}

function ConnectionFacts({ database }: { database: Database }) {
  const facts: readonly (readonly [string, string])[] = [
    ["Host", database.host + (database.port ? `:${database.port}` : "")],
    ["Database", database.database_name || "–"],
    ["User", database.username || "–"],
    ["Project", database.project_name || database.project_ref],
    ["Organization", database.organization_name || "–"],
    ["Last connected", database.last_connected_at ? moment(database.last_connected_at) : "never"],
    [
      "Registered",
      database.created_at && database.source !== "environment" ? moment(database.created_at) : "–",
    ],
    ["Changed", database.updated_at && database.source !== "environment" ? moment(database.updated_at) : "–"],
    ["Id", database.id],
  ];
  const config = Object.entries(database.config ?? {});
  return (
    <section aria-labelledby="facts" className="rounded-md border bg-surface-100">
      <h2 id="facts" className="border-b px-4 py-2 text-sm font-medium">
        Connection
      </h2>
      <Facts
        facts={[...facts, ...config.map(([name, value]) => [name, JSON.stringify(value)] as const)]}
        className="grid-cols-[8rem_1fr] gap-y-1.5 p-4 text-sm"
      />
    </section>
  );
}
