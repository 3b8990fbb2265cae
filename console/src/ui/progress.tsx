import { clsx } from "clsx";

/** How far work has come; without `value` it moves to and fro. */
export function Progress({
  value,
  label,
  className,
}: {
  value?: number | undefined;
  label: string;
  className?: string;
}) {
  const percent = value === undefined ? undefined : Math.round(Math.min(1, Math.max(0, value)) * 100);
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      className={clsx("h-1 overflow-hidden rounded bg-surface-300", className)}
    >
      <div
        className={clsx("h-full bg-brand transition-[width]", percent === undefined && "w-1/3 animate-pulse")}
        style={percent === undefined ? undefined : { width: `${percent}%` }}
      />
    </div>
  );
}
