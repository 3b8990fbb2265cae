import { Field, Input, Select } from "@/ui";

const UNITS = [
  { label: "seconds", ms: 1000 },
  { label: "minutes", ms: 60_000 },
  { label: "hours", ms: 3_600_000 },
  { label: "days", ms: 86_400_000 },
  { label: "milliseconds", ms: 1 },
] as const;

/** A span of time as it is typed. */
export interface Span {
  amount: string;
  unitMs: number;
}

export const NO_SPAN: Span = { amount: "", unitMs: 1000 };

/** Milliseconds of a span; undefined where nothing is typed, NaN where it is no span. */
export function spanMs({ amount, unitMs }: Span): number | undefined {
  if (amount.trim() === "") return undefined;
  const ms = Math.round(Number(amount) * unitMs);
  return ms >= 1 && ms <= Number.MAX_SAFE_INTEGER ? ms : Number.NaN;
}

/** The span for milliseconds: in the largest unit that has them whole, seconds at least. */
export function spanOf(ms: number): Span {
  if (ms < 0) return NO_SPAN;
  const whole = Math.max(1, Math.ceil(ms / 1000)) * 1000;
  const unit = [...UNITS].sort((one, other) => other.ms - one.ms).find((each) => whole % each.ms === 0);
  const unitMs = unit?.ms ?? 1000;
  return { amount: String(whole / unitMs), unitMs };
}

/** A field for how long something lasts; empty for ever. */
export function SpanField({
  label,
  hint,
  placeholder = "never expires",
  value,
  onChange,
}: {
  label: string;
  hint?: string;
  placeholder?: string;
  value: Span;
  onChange: (value: Span) => void;
}) {
  const isBad = Number.isNaN(spanMs(value));
  return (
    <Field label={label} hint={hint} error={isBad ? "A number above 0, or nothing." : undefined}>
      {(control) => (
        <div className="flex gap-1.5">
          <Input
            {...control}
            inputMode="decimal"
            autoComplete="off"
            placeholder={placeholder}
            value={value.amount}
            onChange={(event) => onChange({ ...value, amount: event.target.value })}
          />
          <Select
            aria-label={`${label}: unit`}
            className="!w-36 shrink-0"
            value={value.unitMs}
            onChange={(event) => onChange({ ...value, unitMs: Number(event.target.value) })}
          >
            {UNITS.map((unit) => (
              <option key={unit.ms} value={unit.ms}>
                {unit.label}
              </option>
            ))}
          </Select>
        </div>
      )}
    </Field>
  );
}
