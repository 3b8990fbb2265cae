import type { components } from "@studio-databases/client";

type Bucket = components["schemas"]["MongodbSchemaBucket"];

const HEIGHT = 72;

/** How values spread, in equal steps; the numbers of a step are its tooltip. */
export function Histogram({
  buckets,
  end,
  format,
  label,
}: {
  buckets: readonly Bucket[];
  end: number | undefined;
  format: (value: number) => string;
  label: string;
}) {
  const most = Math.max(1, ...buckets.map((each) => each.count));
  const width = 100 / buckets.length;
  const first = buckets[0]?.start ?? 0;
  const last = end ?? buckets.at(-1)?.start ?? first;
  const words = `How values of ${label} spread from ${format(first)} to ${format(last)}`;
  return (
    <figure>
      <svg
        viewBox={`0 0 100 ${HEIGHT}`}
        preserveAspectRatio="none"
        className="h-[72px] w-full"
        role="img"
        aria-label={words}
      >
        {buckets.map((each, index) => {
          const height = (each.count / most) * (HEIGHT - 2);
          return (
            <rect
              key={each.start}
              x={index * width + width * 0.06}
              width={width * 0.88}
              y={HEIGHT - height}
              height={height}
              fill="var(--brand-line)"
            >
              <title>
                {format(each.start)} to {format(buckets[index + 1]?.start ?? last)}: {each.count}
              </title>
            </rect>
          );
        })}
      </svg>
      <figcaption className="flex justify-between border-t pt-1 text-xs text-text-light">
        <span>{format(first)}</span>
        <span>{format(last)}</span>
      </figcaption>
    </figure>
  );
}
