import { clsx } from "clsx";

interface Kind {
  label: string;
  colour: string;
}

/** Types as TYPE names them: https://redis.io/docs/latest/commands/type/ */
export const TYPES: Readonly<Record<string, Kind>> = {
  string: { label: "String", colour: "text-info border-info" },
  hash: { label: "Hash", colour: "text-brand-text border-brand-line" },
  list: { label: "List", colour: "text-warning border-warning" },
  set: { label: "Set", colour: "text-danger border-danger" },
  zset: { label: "Sorted set", colour: "text-text border-line-strong" },
  stream: { label: "Stream", colour: "text-text-light border-line-strong" },
  "ReJSON-RL": { label: "JSON", colour: "text-brand-text border-line-strong" },
};

const SHORT: Readonly<Record<string, string>> = { zset: "ZSet" };

/** What a type is called. */
export function typeName(type: string): string {
  return TYPES[type]?.label ?? type;
}

/** A type as a small mark. */
export function TypeBadge({ type, className }: { type: string; className?: string }) {
  return (
    <span
      title={typeName(type)}
      className={clsx(
        "inline-block w-14 shrink-0 truncate rounded border px-1 text-center text-[11px] leading-4",
        TYPES[type]?.colour ?? "border-line-strong text-text-light",
        className,
      )}
    >
      {SHORT[type] ?? typeName(type)}
    </span>
  );
}
