import { type Database, type RedisMonitored, useClient, watchRedis } from "@studio-databases/client/react";
import { TriangleAlert } from "lucide-react";
import { useState } from "react";
import { isMarked } from "@/lib/engines";
import { moment } from "@/lib/format";
import { type Column, Empty, Input, Select } from "@/ui";
import { commandText } from "../arguments";
import { clock, Fact, FeedView, WatchButton } from "./feed-view";
import { type Row, useFeed } from "./use-feed";

const SPANS: readonly (readonly [number, string])[] = [
  [60, "1 minute"],
  [300, "5 minutes"],
  [1800, "30 minutes"],
  [3600, "1 hour"],
];

const COLUMNS: readonly Column<Row<RedisMonitored>>[] = [
  { id: "at", header: "When", width: "8rem", cell: (row) => clock(row.at_unix_ms) },
  { id: "db", header: "DB", width: "3.5rem", align: "right", cell: (row) => row.database },
  {
    id: "client",
    header: "Client",
    width: "13rem",
    cell: (row) => <span className="font-mono text-xs">{row.client}</span>,
  },
  {
    id: "command",
    header: "Command",
    width: "minmax(20rem, 1fr)",
    cell: (row) => <span className="font-mono text-xs">{commandText(row.arguments)}</span>,
  },
];

/** Every command that the server runs, for a while. */
export function Monitor({ database }: { database: Database }) {
  const client = useClient();
  const [filter, setFilter] = useState("");
  const [seconds, setSeconds] = useState(60);
  const feed = useFeed<RedisMonitored>((event) => event.arguments.length > 0);
  const isRunning = feed.status === "running";
  return (
    <>
      <form
        className="flex flex-wrap items-center gap-2 border-b px-3 py-2"
        onSubmit={(event) => {
          event.preventDefault();
          feed.start((signal) => watchRedis(client, database.id, "monitor", { seconds, filter }, signal));
        }}
      >
        <Input
          aria-label="Only commands that contain"
          placeholder="Only commands that contain…"
          maxLength={256}
          className="!h-7 !w-72 !text-xs"
          value={filter}
          disabled={isRunning}
          onChange={(event) => setFilter(event.target.value)}
        />
        <Select
          aria-label="For how long"
          className="!h-7 !w-32 !text-xs"
          value={seconds}
          disabled={isRunning}
          onChange={(event) => setSeconds(Number(event.target.value))}
        >
          {SPANS.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </Select>
        <WatchButton feed={feed} disabled={false}>
          Monitor
        </WatchButton>
        <p className="flex items-center gap-1.5 text-xs text-warning">
          <TriangleAlert size={13} aria-hidden />
          MONITOR costs the server throughput
          {isMarked(database, "production") ? ", and this one is in production" : ""}.
        </p>
      </form>
      <FeedView
        feed={feed}
        label="Commands"
        noun="commands"
        columns={COLUMNS}
        waiting="No command yet."
        idle={<Empty title="Every command shows here while you monitor.">Passwords are masked.</Empty>}
        details={(row) => (
          <dl>
            <Fact name="When">{moment(row.at_unix_ms)}</Fact>
            <Fact name="Client">{row.client}</Fact>
            <Fact name="Database">{row.database}</Fact>
            <Fact name="Command">{commandText(row.arguments)}</Fact>
          </dl>
        )}
      />
    </>
  );
}
