interface Point {
  value: number;
  failed: boolean;
}

const WIDTH = 96;
const HEIGHT = 20;

/** A line through the last values, failures marked; `label` says the same in words. */
export function Sparkline({ points, label }: { points: readonly Point[]; label: string }) {
  const most = Math.max(...points.map((point) => point.value), 1);
  const x = (index: number) =>
    points.length < 2 ? WIDTH - 3 : (index / (points.length - 1)) * (WIDTH - 2) + 1;
  const y = (value: number) => HEIGHT - 2 - (value / most) * (HEIGHT - 4);
  return (
    <svg width={WIDTH} height={HEIGHT} role="img" aria-label={label} className="block">
      <title>{label}</title>
      <polyline
        fill="none"
        stroke="var(--brand-line)"
        strokeWidth="1.25"
        points={points.map((point, index) => `${x(index).toFixed(1)},${y(point.value).toFixed(1)}`).join(" ")}
      />
      {points.map((point, index) =>
        // A line through one value is a point.
        point.failed || points.length < 2 ? (
          <circle
            // biome-ignore lint/suspicious/noArrayIndexKey: a point is its place
            key={index}
            cx={x(index)}
            cy={y(point.value)}
            r="1.75"
            fill={point.failed ? "var(--danger)" : "var(--brand-line)"}
          />
        ) : null,
      )}
    </svg>
  );
}
