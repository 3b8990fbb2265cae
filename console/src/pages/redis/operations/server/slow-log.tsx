/** Commands that took long, and from when on a command counts as slow. */

import {
  type Database,
  type RedisSlowCommand,
  useMay,
  useRedisSlowLog,
} from "@studio-databases/client/react";
import { useState } from "react";
import { isMarked } from "@/lib/engines";
import { ago, count, duration, moment } from "@/lib/format";
import { type Column, Copy, Empty, Failure, Grid, Loading, Reload, Select, SidePanel } from "@/ui";
import { commandText } from "../arguments";
import { SlowLogSettings } from "./slow-log-settings";

const COUNTS = [100, 500, 1000];

const COLUMNS: readonly Column<RedisSlowCommand>[] = [
  {
    id: "at",
    header: "When",
    width: "8rem",
    cell: (entry) => <span title={moment(entry.at_unix_ms)}>{ago(entry.at_unix_ms)}</span>,
  },
  {
    id: "took",
    header: "Took",
    width: "7rem",
    align: "right",
    cell: (entry) => duration(entry.duration_us / 1000),
  },
  {
    id: "command",
    header: "Command",
    width: "minmax(20rem, 3fr)",
    cell: (entry) => <span className="font-mono text-xs">{commandText(entry.arguments)}</span>,
  },
  {
    id: "client",
    header: "Client",
    width: "minmax(10rem, 1fr)",
    cell: (entry) => entry.client_name || entry.client,
  },
];
const NODE: Column<RedisSlowCommand> = {
  id: "node",
  header: "Node",
  width: "12rem",
  cell: (entry) => entry.node,
};

function entryKey(entry: RedisSlowCommand): string {
  return `${entry.node} ${entry.id}`;
}

export default function SlowLog({ database }: { database: Database }) {
  const [most, setMost] = useState(COUNTS[0] ?? 100);
  const [entry, setEntry] = useState<RedisSlowCommand>();
  const allowed = useMay(database.id);
  const found = useRedisSlowLog(database.id, most);
  if (found.isPending) return <Loading>Reading the slow log…</Loading>;
  if (found.isError) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  const log = found.data;
  const hasNodes = log.commands.some((each) => each.node);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-3 border-b px-3 py-2">
        <p className="text-sm text-text-light">{threshold(log.threshold_us)}</p>
        <div className="flex-1" />
        <Select
          aria-label="Entries"
          className="!h-7 !w-36 !text-xs"
          value={most}
          onChange={(event) => setMost(Number(event.target.value))}
        >
          {COUNTS.map((each) => (
            <option key={each} value={each}>
              newest {each}
            </option>
          ))}
        </Select>
        <Reload of={found} label="Read again" />
        {allowed("redis.server.slowlog_configure") && !isMarked(database, "readonly") ? (
          <SlowLogSettings databaseId={database.id} log={log} />
        ) : null}
      </div>
      <Grid<RedisSlowCommand>
        label="Slow log"
        rows={log.commands}
        columns={hasNodes ? [...COLUMNS, NODE] : COLUMNS}
        rowKey={entryKey}
        selected={entry ? entryKey(entry) : undefined}
        onSelect={setEntry}
        empty={<Empty title="No slow commands.">{threshold(log.threshold_us)}</Empty>}
      />
      <footer className="flex h-9 shrink-0 items-center border-t px-3 text-xs text-text-light">
        {count(log.commands.length)}
        {log.length >= 0 ? ` of ${count(log.length)}` : ""} entries
        {log.max_length >= 0 ? `; the server keeps ${count(log.max_length)}` : ""}
      </footer>
      <SidePanel
        open={entry !== undefined}
        onOpenChange={() => setEntry(undefined)}
        title="A slow command"
        description={entry ? `${duration(entry.duration_us / 1000)}, ${moment(entry.at_unix_ms)}` : undefined}
      >
        {entry ? <Details entry={entry} /> : null}
      </SidePanel>
    </div>
  );
}

function threshold(us: number): string {
  if (us === -2) return "The server does not tell from when on a command counts as slow.";
  if (us === -1) return "The slow log is off.";
  if (us === 0) return "Every command is logged.";
  return `Commands that take longer than ${duration(us / 1000)} are logged.`;
}

function Details({ entry }: { entry: RedisSlowCommand }) {
  const text = commandText(entry.arguments);
  return (
    <div className="flex flex-col gap-4 text-sm">
      <dl className="grid grid-cols-[7rem_1fr] gap-y-1.5">
        <dt className="text-text-light">Number</dt>
        <dd>{entry.id}</dd>
        <dt className="text-text-light">Client</dt>
        <dd>{[entry.client, entry.client_name].filter(Boolean).join(", ") || "–"}</dd>
        {entry.node ? (
          <>
            <dt className="text-text-light">Node</dt>
            <dd>{entry.node}</dd>
          </>
        ) : null}
      </dl>
      <div>
        <div className="flex items-center justify-between">
          <h3 className="text-xs text-text-light">Command, as the server keeps it; secrets are masked</h3>
          <Copy text={text} label="Copy the command" />
        </div>
        <pre className="rounded-md border bg-surface-100 p-2 font-mono text-xs break-all whitespace-pre-wrap">
          {text}
        </pre>
      </div>
    </div>
  );
}
