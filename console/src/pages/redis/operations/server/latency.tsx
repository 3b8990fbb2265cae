/** How long the server takes: as the latency monitor saw it, and by command. */

import {
  type Database,
  type RedisCommandLatency,
  type RedisLatencyEvent,
  useRedisLatency,
} from "@studio-databases/client/react";
import { RefreshCw } from "lucide-react";
import { ago, count, duration, moment } from "@/lib/format";
import { Button, type Column, Empty, Failure, Grid, Loading } from "@/ui";

/** Milliseconds of microseconds; a dash where the server does not tell. */
function us(value: number): string {
  return value < 0 ? "–" : value < 1000 ? `${Number(value.toFixed(1))} µs` : duration(value / 1000);
}

const EVENTS: readonly Column<RedisLatencyEvent>[] = [
  { id: "event", header: "Event", width: "minmax(10rem, 1fr)", cell: (each) => each.event },
  {
    id: "at",
    header: "Last",
    width: "8rem",
    cell: (each) => <span title={moment(each.at_unix_ms)}>{ago(each.at_unix_ms)}</span>,
  },
  { id: "latest", header: "Took", width: "8rem", align: "right", cell: (each) => duration(each.latest_ms) },
  { id: "max", header: "Longest", width: "8rem", align: "right", cell: (each) => duration(each.max_ms) },
];

const COMMANDS: readonly Column<RedisCommandLatency>[] = [
  {
    id: "command",
    header: "Command",
    width: "minmax(12rem, 1fr)",
    cell: (each) => <span className="font-mono text-xs">{each.command.replace("|", " ").toUpperCase()}</span>,
  },
  { id: "calls", header: "Calls", width: "8rem", align: "right", cell: (each) => count(each.calls) },
  { id: "mean", header: "Mean", width: "7rem", align: "right", cell: (each) => us(each.usec_per_call) },
  { id: "p50", header: "p50", width: "7rem", align: "right", cell: (each) => us(each.p50_us) },
  { id: "p99", header: "p99", width: "7rem", align: "right", cell: (each) => us(each.p99_us) },
];

export default function Latency({ database }: { database: Database }) {
  const found = useRedisLatency(database.id);
  if (found.isPending) return <Loading>Measuring…</Loading>;
  if (found.isError) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  const { events, commands, threshold_ms: threshold, round_trip_ms: trip } = found.data;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center gap-3 border-b px-3 py-2 text-sm">
        <p>
          A PING from here takes <strong className="font-medium">{duration(trip)}</strong>
        </p>
        <div className="flex-1" />
        <Button
          icon={<RefreshCw size={13} aria-hidden />}
          loading={found.isFetching}
          onClick={() => found.refetch()}
        >
          Measure again
        </Button>
      </div>
      <h2 className="px-3 pt-3 pb-1 text-sm font-medium">Latency monitor</h2>
      <p className="px-3 pb-2 text-xs text-text-light">{monitor(threshold)}</p>
      {events.length > 0 ? (
        <Grid<RedisLatencyEvent>
          label="Latency events"
          rows={events}
          columns={EVENTS}
          rowKey={(each) => each.event}
          className="max-h-56 !flex-none border-y"
        />
      ) : null}
      <h2 className="px-3 pt-3 pb-1 text-sm font-medium">By command, since the server's start</h2>
      <Grid<RedisCommandLatency>
        label="Latency by command"
        rows={commands}
        columns={COMMANDS}
        rowKey={(each) => each.command}
        className="border-t"
        empty={<Empty title="The server tells nothing by command." />}
      />
    </div>
  );
}

function monitor(thresholdMs: number): string {
  if (thresholdMs < 0) return "The server does not tell what its latency monitor looks at.";
  if (thresholdMs === 0) {
    return "Off. CONFIG SET latency-monitor-threshold 100 notes what holds the server for 100 ms or more.";
  }
  return `Notes what holds the server for ${duration(thresholdMs)} or more.`;
}
