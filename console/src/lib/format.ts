/** Numbers and times as people read them. */

const UNITS = ["B", "KB", "MB", "GB", "TB", "PB"] as const;

/** `1.5 MB` for bytes. */
export function bytes(value: number): string {
  let unit = 0;
  let left = value;
  while (left >= 1000 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

/** `1,234,567`. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** `1.2M` where space is short. */
export function short(value: number): string {
  return Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

const SPANS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
];

/** `2 d 4 h`, `350 ms`: the two largest units of milliseconds. */
export function duration(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  const at = SPANS.findIndex(([, size]) => ms >= size);
  const [unit, size] = SPANS[at] ?? ["s", 1000];
  const whole = Math.floor(ms / size);
  const next = SPANS[at + 1];
  const rest = next ? Math.floor((ms - whole * size) / next[1]) : 0;
  return next && rest > 0 ? `${whole} ${unit} ${rest} ${next[0]}` : `${whole} ${unit}`;
}

/** `3 min ago`, for a time in the past; the full time belongs into a tooltip. */
export function ago(time: string | number | Date, now = Date.now()): string {
  const passed = now - new Date(time).getTime();
  return passed < 5000 ? "just now" : `${duration(passed).split(" ").slice(0, 2).join(" ")} ago`;
}

/** A point in time in the reader's own place. */
export function moment(time: string | number | Date): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}
