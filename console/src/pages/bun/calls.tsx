import { type BunCall, type BunCallStats, useBunCalls } from "@studio-databases/client/react";
import { ago, bytes, count, duration, moment } from "@/lib/format";
import { Badge, type Column, Empty, Failure, Grid, Loading } from "@/ui";
import { Method } from "./method";

const CALLS: readonly Column<BunCall>[] = [
  {
    id: "at",
    header: "When",
    width: "8rem",
    cell: (call) => <span title={call.at ? moment(call.at) : ""}>{call.at ? ago(call.at) : "–"}</span>,
  },
  {
    id: "call",
    header: "Call",
    width: "minmax(14rem, 2fr)",
    cell: (call) => (
      <span className="flex items-baseline gap-2">
        <Method method={call.method} />
        <span className="truncate font-mono text-xs">{call.path}</span>
      </span>
    ),
  },
  {
    id: "status",
    header: "Status",
    width: "minmax(7rem, 1fr)",
    cell: (call) =>
      call.error_code ? (
        <Badge tone="bad">{call.error_code}</Badge>
      ) : (
        <Badge tone={call.status >= 500 ? "bad" : call.status >= 400 ? "warning" : "good"}>
          {call.status}
        </Badge>
      ),
  },
  { id: "time", header: "Took", width: "6rem", align: "right", cell: (call) => duration(call.duration_ms) },
  { id: "sent", header: "Sent", width: "6rem", align: "right", cell: (call) => bytes(call.request_bytes) },
  { id: "came", header: "Came", width: "6rem", align: "right", cell: (call) => bytes(call.response_bytes) },
];

/** The last calls of everybody through this process, and how long they took. */
export function Calls({ databaseId }: { databaseId: string }) {
  const found = useBunCalls(databaseId);
  if (found.isPending) return <Loading>Loading calls…</Loading>;
  if (found.isError) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  const { calls, by_route: routes, total } = found.data;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      {total && total.count > 0 ? <Totals total={total} routes={routes} /> : null}
      <Grid<BunCall>
        label="Recent calls"
        rows={calls}
        columns={CALLS}
        rowKey={(call, index) => `${call.at} ${index}`}
        empty={
          <Empty title="No calls yet.">What is sent through this system shows here, without bodies.</Empty>
        }
      />
    </div>
  );
}

function Totals({ total, routes }: { total: BunCallStats; routes: readonly BunCallStats[] }) {
  return (
    <div className="max-h-64 shrink-0 overflow-y-auto border-b">
      <table className="w-full text-sm">
        <caption className="sr-only">Calls by route</caption>
        <thead className="sticky top-0 bg-surface-200 text-xs text-text-light">
          <tr>
            {["Route", "Calls", "Failed", "p50", "p90", "p99"].map((name, index) => (
              <th
                key={name}
                className={`px-3 py-1.5 font-medium ${index === 0 ? "text-left" : "text-right"}`}
              >
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[total, ...routes].map((stats) => (
            <tr key={`${stats.method} ${stats.route}`} className="border-b">
              <td className="px-3 py-1.5 font-mono text-xs">
                {stats.route ? `${stats.method} ${stats.route}` : "all"}
              </td>
              <td className="px-3 text-right tabular-nums">{count(stats.count)}</td>
              <td className="px-3 text-right tabular-nums">
                {count(stats.server_errors + stats.incomplete)}
              </td>
              {[stats.p50_ms, stats.p90_ms, stats.p99_ms].map((ms, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: the three percentiles
                <td key={index} className="px-3 text-right tabular-nums">
                  {ms < 0 ? "–" : duration(ms)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
