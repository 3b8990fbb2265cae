import type { MongoProfiler } from "@studio-databases/client/react";
import { count } from "@/lib/format";

/** What a profiler records, in a sentence. */
export function said({ level, slow_ms: slowMs, sample_rate: rate, filter }: MongoProfiler): string {
  if (level === 0) return "Nothing is recorded.";
  if (level === 2) return "Every operation is recorded.";
  const what = filter ? "what matches its filter" : `what takes ${count(slowMs)} ms or more`;
  return rate < 1 ? `Of ${what}, ${Math.round(rate * 100)}% is recorded.` : `Recorded is ${what}.`;
}
