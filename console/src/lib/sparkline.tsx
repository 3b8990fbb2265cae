interface Point {
  value: number;
  failed: boolean;
}

const WIDTH = 96;
const HEIGHT = 20;

/** A line through the last values, failures marked; `label` says the same in words. */
export function Sparkline({ points, label }: { points: readonly Point[]; label: string }) {
  if (points.length < 2) return <span className="text-text-muted">–</span>;
  const most = Math.max(...points.map((point) => point.value), 1);
  const x = (index: number) => (index / (points.length - 1)) * (WIDTH - 2) + 1;
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
        point.failed ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: a point is its place
          <circle key={index} cx={x(index)} cy={y(point.value)} r="1.75" fill="var(--danger)" />
        ) : null,
      )}
    </svg>
  );
}
