import { clsx } from "clsx";
import { ENGINES, type EngineType } from "@/lib/engines";

const SAID: Readonly<Record<EngineType, string>> = {
  redis: "Redis or Valkey: standalone, Sentinel, Cluster",
  mongodb: "MongoDB: standalone, replica set, sharded",
  postgres: "PostgreSQL, through pg-meta",
  bun_api: "An HTTP API served by Bun",
};

/** The kinds to choose from, as cards; a group of radio buttons to keyboards. */
export function TypeCards({ value, onChange }: { value: EngineType; onChange: (type: EngineType) => void }) {
  return (
    <fieldset className="grid grid-cols-2 gap-2">
      <legend className="mb-1.5 text-sm text-text-light">Type</legend>
      {(Object.keys(SAID) as EngineType[]).map((type) => (
        <label
          key={type}
          className={clsx(
            "flex cursor-pointer items-start gap-2.5 rounded-md border p-3 has-focus-visible:outline-2 has-focus-visible:outline-brand-line",
            value === type ? "border-brand-line bg-surface-200" : "border-line-strong hover:bg-surface-200",
          )}
        >
          <input
            type="radio"
            name="type"
            value={type}
            checked={value === type}
            onChange={() => onChange(type)}
            className="sr-only"
          />
          <span className="mt-0.5 text-brand-text">{ENGINES[type].icon}</span>
          <span className="min-w-0">
            <span className="block text-sm font-medium">{ENGINES[type].name}</span>
            <span className="block text-xs text-text-light">{SAID[type]}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
