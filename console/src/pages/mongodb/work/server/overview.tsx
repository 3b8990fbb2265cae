/** A server at a glance: how it is doing, and what to change about it. */

import { type MongoServerStatus, useMongoServerStatus } from "@studio-databases/client/react";
import { useEffect, useState } from "react";
import { bytes, count, duration, short } from "@/lib/format";
import { Failure, Loading } from "@/ui";
import { Missing, Scroll } from "../parts";
import { Members } from "./members";
import { Rates, type Reading } from "./rates";
import { Recommendations } from "./recommendations";

/** Readings in the page at most: 20 minutes. */
const MOST = 240;

export function Overview({ databaseId }: { databaseId: string }) {
  const found = useMongoServerStatus(databaseId);
  const [readings, setReadings] = useState<readonly Reading[]>([]);
  const { data, dataUpdatedAt } = found;
  useEffect(() => {
    if (!data?.rates) return;
    const { rates } = data;
    setReadings((before) => [...before, { at: dataUpdatedAt, rates }].slice(-MOST));
  }, [data, dataUpdatedAt]);

  if (found.isPending) return <Loading>Asking the server…</Loading>;
  if (!data) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  return (
    <Scroll label="Overview" className="min-h-0 flex-1">
      {found.isError ? <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} /> : null}
      <div className="flex flex-col gap-4 p-4">
        <header className="flex flex-wrap items-baseline gap-x-4 gap-y-1 text-sm">
          <h2 className="font-medium">
            {data.process || "MongoDB"} {data.version}
          </h2>
          <span className="text-text-light">{data.host}</span>
          <span className="text-text-light">
            {words(data.topology)}
            {data.set_name ? ` ${data.set_name}` : ""}
          </span>
          {data.uptime_s >= 0 ? (
            <span className="text-text-light">up {duration(data.uptime_s * 1000)}</span>
          ) : null}
        </header>
        <Tiles status={data} />
        <Rates readings={readings} />
        {data.members.length > 0 ? <Members members={data.members} /> : null}
        <Recommendations databaseId={databaseId} />
      </div>
      <Missing of={data.unavailable} />
    </Scroll>
  );
}

function words(topology: string): string {
  return topology.replaceAll("_", " ");
}

const known = (value: number | undefined, show: (value: number) => string): string =>
  value === undefined || value < 0 ? "–" : show(value);

function Tiles({ status }: { status: MongoServerStatus }) {
  const { connections, memory, cache, queues, cursors, transactions, asserts } = status;
  const tiles: readonly (readonly [string, string, string])[] = [
    [
      "Connections",
      known(connections?.current, count),
      `${known(connections?.active, count)} at work, ${known(connections?.available, short)} more possible`,
    ],
    ["Memory", known(memory?.resident_bytes, bytes), `${known(memory?.virtual_bytes, bytes)} of addresses`],
    [
      "Cache",
      known(cache?.used_bytes, bytes),
      `of ${known(cache?.max_bytes, bytes)}, ${known(cache?.dirty_bytes, bytes)} not on disk yet`,
    ],
    [
      "Waiting for locks",
      known(queues && Math.max(-1, queues.readers + queues.writers), count),
      `${known(queues?.active_readers, count)} reads, ${known(queues?.active_writers, count)} writes at work`,
    ],
    ["Open cursors", known(cursors?.open, count), `${known(cursors?.timed_out, count)} timed out`],
    [
      "Transactions",
      known(transactions?.open, count),
      `${known(transactions?.committed, short)} committed, ${known(transactions?.aborted, short)} aborted`,
    ],
    ["Replication lag", known(status.replication_lag_s, (s) => duration(s * 1000)), "of the last secondary"],
    ["Errors of users", known(asserts?.user, short), `${known(asserts?.regular, count)} of the server's own`],
  ];
  return (
    <dl className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      {tiles.map(([name, value, more]) => (
        <div key={name} className="rounded-md border bg-surface-100 px-3 py-2">
          <dt className="text-xs text-text-light">{name}</dt>
          <dd className="text-base tabular-nums">{value}</dd>
          <dd className="truncate text-xs text-text-muted" title={more}>
            {more}
          </dd>
        </div>
      ))}
    </dl>
  );
}
