/** The server at a glance: its figures while one looks, and what to change about it. */

import { type Database, type RedisOverview, useRedisOverview } from "@studio-databases/client/react";
import { useEffect, useState } from "react";
import { count, duration, short, bytes as size } from "@/lib/format";
import { Failure, Loading } from "@/ui";
import { Charts } from "./charts";
import { Recommendations } from "./recommendations";

const EVERY_MS = 3_000;
/** Answers kept for the charts: half an hour. */
const MOST = 600;

export default function Overview({ database }: { database: Database }) {
  const found = useRedisOverview(database.id, EVERY_MS);
  const [history, setHistory] = useState<readonly RedisOverview[]>([]);
  const latest = found.data;
  useEffect(() => {
    if (latest) {
      setHistory((before) => (before.at(-1)?.at === latest.at ? before : [...before, latest].slice(-MOST)));
    }
  }, [latest]);
  if (found.isPending) return <Loading>Asking the server…</Loading>;
  if (!latest) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto p-4">
      {found.isError ? <Failure error={found.error} onRetry={() => found.refetch()} /> : null}
      <Facts now={latest} />
      <Charts history={history} />
      <div className="grid shrink-0 items-start gap-4 xl:grid-cols-[2fr_1fr]">
        <Recommendations databaseId={database.id} />
        <Keyspace now={latest} />
      </div>
    </div>
  );
}

/** What the server does not tell is -1. */
function told(value: number, format: (value: number) => string): string {
  return value < 0 ? "–" : format(value);
}

function perSecond(value: number): string {
  return `${short(value)}/s`;
}

function Facts({ now }: { now: RedisOverview }) {
  const limit = now.max_memory_bytes > 0 ? ` of ${size(now.max_memory_bytes)}` : "";
  const facts: readonly (readonly [string, string, string?])[] = [
    ["Server", `${now.flavor || "redis"} ${now.version}`, [now.mode, now.role].filter(Boolean).join(", ")],
    [
      "Up for",
      told(now.uptime_s, (value) => duration(value * 1000)),
      now.nodes > 1 ? `${now.nodes} servers` : "",
    ],
    [
      "Memory",
      told(now.used_memory_bytes, size) + limit,
      `${told(now.peak_memory_bytes, (value) => `peak ${size(value)}`)}, ${now.eviction_policy || "no policy told"}`,
    ],
    [
      "Fragmentation",
      told(now.fragmentation_ratio, (value) => value.toFixed(2)),
      told(now.resident_memory_bytes, (value) => `${size(value)} of the system`),
    ],
    ["Keys", told(now.keys, count), told(now.expiring_keys, (value) => `${count(value)} expire`)],
    [
      "Clients",
      told(now.connected_clients, count),
      told(now.blocked_clients, (value) => `${count(value)} blocked`),
    ],
    [
      "Commands",
      told(now.commands_per_s, perSecond),
      told(now.cpu_ratio, (value) => `${(value * 100).toFixed(1)} % of a processor`),
    ],
    ["Hits", told(now.hit_ratio, (value) => `${(value * 100).toFixed(1)} %`), "of look-ups, since the start"],
    [
      "Evicted",
      told(now.evicted_keys_per_s, perSecond),
      `${told(now.expired_keys_per_s, perSecond)} expired`,
    ],
    ["Replicas", told(now.replicas, count), now.last_save_status ? `last save: ${now.last_save_status}` : ""],
  ];
  return (
    <dl className="grid shrink-0 grid-cols-2 gap-px overflow-hidden rounded-md border bg-line md:grid-cols-5">
      {facts.map(([name, value, more]) => (
        <div key={name} className="min-w-0 bg-surface-100 px-4 py-2.5">
          <dt className="text-xs text-text-light">{name}</dt>
          <dd className="truncate text-base tabular-nums" title={value}>
            {value}
          </dd>
          <dd className="truncate text-xs text-text-muted" title={more}>
            {more || "\u00a0"}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Keyspace({ now }: { now: RedisOverview }) {
  return (
    <section aria-labelledby="keyspace" className="rounded-md border bg-surface-100">
      <h2 id="keyspace" className="border-b px-4 py-2 text-sm font-medium">
        Databases
      </h2>
      {now.databases.length === 0 ? <p className="px-4 py-3 text-sm text-text-light">No keys.</p> : null}
      {now.databases.length > 0 ? (
        <table className="w-full text-sm">
          <thead className="text-xs text-text-light">
            <tr>
              {["Number", "Keys", "Expiring", "Mean TTL"].map((name) => (
                <th key={name} className="px-4 py-1.5 text-right font-medium first:text-left">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {now.databases.map((each) => (
              <tr key={each.database} className="border-t tabular-nums">
                <td className="px-4 py-1.5">{each.database}</td>
                <td className="px-4 text-right">{count(each.keys)}</td>
                <td className="px-4 text-right">{count(each.expires)}</td>
                <td className="px-4 text-right">
                  {each.average_ttl_ms > 0 ? duration(each.average_ttl_ms) : "–"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </section>
  );
}
