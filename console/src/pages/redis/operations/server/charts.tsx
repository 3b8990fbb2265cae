import type { RedisOverview } from "@studio-databases/client/react";
import { lazy, Suspense, useMemo } from "react";
import { short, bytes as size } from "@/lib/format";
import { Skeleton } from "@/ui";

const Chart = lazy(() => import("@/lib/chart"));
const HEIGHT = 130;
/** Seconds that a chart spans at least. */
const LEAST_S = 120;

interface Drawn {
  title: string;
  of: (now: RedisOverview) => number;
  format: (value: number) => string;
}

const DRAWN: readonly Drawn[] = [
  { title: "Commands a second", of: (now) => now.commands_per_s, format: short },
  { title: "Memory", of: (now) => now.used_memory_bytes, format: size },
  { title: "Received a second", of: (now) => now.input_bytes_per_s, format: size },
  { title: "Sent a second", of: (now) => now.output_bytes_per_s, format: size },
  { title: "Clients", of: (now) => now.connected_clients, format: short },
  { title: "Keys", of: (now) => now.keys, format: short },
];

/** How the figures have gone since the page was opened. */
export function Charts({ history }: { history: readonly RedisOverview[] }) {
  const times = useMemo(() => history.map((each) => each.at / 1000), [history]);
  return (
    <div className="grid shrink-0 grid-cols-1 gap-4 md:grid-cols-2 xl:grid-cols-3">
      {DRAWN.map((drawn) => (
        <One key={drawn.title} drawn={drawn} history={history} times={times} />
      ))}
    </div>
  );
}

function One({
  drawn: { title, of, format },
  history,
  times,
}: {
  drawn: Drawn;
  history: readonly RedisOverview[];
  times: readonly number[];
}) {
  const series = useMemo(() => {
    const values = history.map((each) => (of(each) < 0 ? null : of(each)));
    return [{ label: title, colour: "--brand" as const, values }];
  }, [history, title, of]);
  const last = series[0]?.values.at(-1);
  const now = last === null || last === undefined ? "–" : format(last);
  return (
    <section aria-label={title} className="min-w-0 rounded-md border bg-surface-100">
      <h2 className="flex justify-between px-4 pt-2 text-xs text-text-light">
        {title} <span className="text-sm text-text tabular-nums">{now}</span>
      </h2>
      <div className="px-1 pb-1">
        <Suspense fallback={<Skeleton className="h-[130px]" />}>
          <Chart
            label={`${title} since the page was opened; now ${now}`}
            times={times}
            from={Math.min(times[0] ?? 0, (times.at(-1) ?? 0) - LEAST_S)}
            series={series}
            height={HEIGHT}
            format={format}
          />
        </Suspense>
      </div>
    </section>
  );
}
