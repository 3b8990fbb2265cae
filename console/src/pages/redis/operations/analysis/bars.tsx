import { type RedisAnalysis, readable } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { useState } from "react";
import { count, bytes as size } from "@/lib/format";
import { Select } from "@/ui";
import { typeName } from "../../type-badge";
import { Scroll } from "../scroll";

interface Bar {
  id: string;
  name: string;
  keys: number;
  /** -1 where the server does not tell. */
  memoryBytes: number;
}

type Measure = "memory" | "keys";

const LATER: Readonly<Record<string, string>> = {
  "1m": "within a minute",
  "1h": "within an hour",
  "1d": "within a day",
  "7d": "within 7 days",
  "30d": "within 30 days",
  later: "later",
  never: "never",
};

/** Memory by the first part of the names. */
export function Namespaces({ rows, separator }: { rows: RedisAnalysis["namespaces"]; separator: string }) {
  const bars = rows.map((row): Bar => {
    const prefix = row.prefix ? readable(row.prefix) : "";
    const id = row.others ? "others" : `p${prefix}`;
    const name = row.others ? "all others" : prefix ? `${prefix}*` : `without ${separator || ":"}`;
    return { id, name, keys: row.keys, memoryBytes: row.memory_bytes };
  });
  return <Bars title="Namespaces" bars={bars} />;
}

/** Memory by type. */
export function Types({ rows }: { rows: RedisAnalysis["types"] }) {
  const bars = rows.map((row): Bar => {
    const name = row.type ? typeName(row.type) : "not to be read";
    return { id: row.type, name, keys: row.keys, memoryBytes: row.memory_bytes };
  });
  return <Bars title="Types" bars={bars} />;
}

/** Keys by when they expire, the soonest first. */
export function Expiry({ rows }: { rows: RedisAnalysis["expiry"] }) {
  const bars = rows.map((row): Bar => {
    const name = LATER[row.label] ?? row.label;
    return { id: row.label, name, keys: row.keys, memoryBytes: row.memory_bytes };
  });
  return <Bars title="When they expire" bars={bars} first="keys" />;
}

/** Bars by memory or by number; their order is the answer's. */
function Bars({ title, bars, first = "memory" }: { title: string; bars: readonly Bar[]; first?: Measure }) {
  const [wanted, setWanted] = useState<Measure>(first);
  const hasMemory = bars.some((bar) => bar.memoryBytes >= 0);
  const measure = hasMemory ? wanted : "keys";
  const of = (bar: Bar) => Math.max(0, measure === "memory" ? bar.memoryBytes : bar.keys);
  const most = Math.max(1, ...bars.map(of));
  const total = Math.max(
    1,
    bars.reduce((sum, bar) => sum + of(bar), 0),
  );
  return (
    <section aria-label={title} className="min-w-0 rounded-md border bg-surface-100">
      <header className="flex h-10 items-center justify-between border-b px-4">
        <h2 className="text-sm font-medium">{title}</h2>
        {hasMemory ? (
          <Select
            aria-label={`${title} by`}
            className="!h-7 !w-32 !text-xs"
            value={measure}
            onChange={(event) => setWanted(event.target.value as Measure)}
          >
            <option value="memory">by memory</option>
            <option value="keys">by keys</option>
          </Select>
        ) : null}
      </header>
      <Scroll label={`${title}, by ${measure}`} className="max-h-[26rem] py-1">
        <table className="w-full table-fixed text-sm">
          <caption className="sr-only">{title}</caption>
          <colgroup>
            <col className="w-[34%]" />
            <col />
            <col className="w-20" />
            <col className="w-24" />
          </colgroup>
          <thead className="sr-only">
            <tr>
              <th>Name</th>
              <th>Share</th>
              <th>Keys</th>
              <th>Memory</th>
            </tr>
          </thead>
          <tbody>
            {bars.map((bar) => (
              <tr key={bar.id}>
                <td className="truncate py-1 pr-2 pl-4 font-mono text-xs" title={bar.name}>
                  {bar.name}
                </td>
                <td className="py-1">
                  <span className="flex items-center gap-2">
                    <span className="h-3 flex-1">
                      <span
                        className={clsx("block h-3 rounded-sm bg-brand", of(bar) > 0 && "min-w-px")}
                        style={{ width: `${(of(bar) / most) * 100}%` }}
                      />
                    </span>
                    <span className="w-11 shrink-0 text-right text-xs text-text-muted tabular-nums">
                      {percent(of(bar) / total)}
                    </span>
                  </span>
                </td>
                <td className="py-1 text-right text-xs text-text-light tabular-nums">{count(bar.keys)}</td>
                <td className="py-1 pr-4 text-right text-xs tabular-nums">
                  {bar.memoryBytes < 0 ? "–" : size(bar.memoryBytes)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function percent(share: number): string {
  if (share > 0 && share < 0.001) return "<0.1%";
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
}
