import type { MongoServerStatus } from "@studio-databases/client/react";
import { lazy, Suspense, useMemo } from "react";
import { bytes, short } from "@/lib/format";
import { Skeleton } from "@/ui";

const Chart = lazy(() => import("@/lib/chart"));

/** Rates of the server, and when they were read in milliseconds since 1970. */
export interface Reading {
  at: number;
  rates: NonNullable<MongoServerStatus["rates"]>;
}

const OPERATIONS = [
  ["inserts_per_s", "Inserts", "--brand"],
  ["queries_per_s", "Queries", "--info"],
  ["updates_per_s", "Updates", "--warning"],
  ["deletes_per_s", "Deletes", "--danger"],
  ["commands_per_s", "Commands", "--text-muted"],
] as const;
const NETWORK = [
  ["input_bytes_per_s", "In", "--brand"],
  ["output_bytes_per_s", "Out", "--info"],
] as const;

const rate = (value: number) => `${short(value)}/s`;
const byteRate = (value: number) => `${bytes(value)}/s`;

/** How fast the server's counters grow, since the page was opened. */
export function Rates({ readings }: { readings: readonly Reading[] }) {
  return (
    <div className="grid grid-cols-1 gap-4 xl:grid-cols-2">
      <Lines title="Operations" readings={readings} lines={OPERATIONS} format={rate} />
      <Lines title="Network" readings={readings} lines={NETWORK} format={byteRate} />
    </div>
  );
}

function Lines({
  title,
  readings,
  lines,
  format,
}: {
  title: string;
  readings: readonly Reading[];
  lines: readonly (readonly [keyof Reading["rates"], string, `--${string}`])[];
  format: (value: number) => string;
}) {
  const times = useMemo(() => readings.map((each) => each.at / 1000), [readings]);
  const series = useMemo(
    () =>
      lines.map(([name, label, colour]) => ({
        label,
        colour,
        values: readings.map(({ rates }) => (rates[name] < 0 ? null : rates[name])),
      })),
    [readings, lines],
  );
  const last = readings.at(-1)?.rates;
  const now = (name: keyof Reading["rates"]) => (last && last[name] >= 0 ? format(last[name]) : "–");
  const said = lines.map(([name, label]) => `${label} ${now(name)}`).join(", ");
  return (
    <section aria-label={title} className="rounded-md border bg-surface-100">
      <h3 className="flex flex-wrap gap-x-4 border-b px-4 py-2 text-sm">
        <span className="font-medium">{title}</span>
        {lines.map(([name, label, colour]) => (
          <span key={name} className="flex items-center gap-1.5 text-xs text-text-light">
            <span aria-hidden className="size-2 rounded-full" style={{ background: `var(${colour})` }} />
            {label} <span className="text-text tabular-nums">{now(name)}</span>
          </span>
        ))}
      </h3>
      <div className="p-3">
        {readings.length > 1 ? (
          <Suspense fallback={<Skeleton className="h-[160px]" />}>
            <Chart
              label={`${title} a second: ${said}`}
              times={times}
              series={series}
              format={format}
              height={160}
            />
          </Suspense>
        ) : (
          <p className="h-[160px] text-sm text-text-light">Shows once the server was asked twice.</p>
        )}
      </div>
    </section>
  );
}
