import { useSyncExternalStore } from "react";
import { duration, moment } from "@/lib/format";

/** One clock for all that counts down: it ticks while somebody looks. */
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = Date.now();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    now = Date.now();
    timer = setInterval(() => {
      now = Date.now();
      for (const each of listeners) each();
    }, 1000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The time that is left until a key or field expires, counting down; `-1` never does. */
export function Ttl({ expiresAt, never = "–" }: { expiresAt: number; never?: string }) {
  const at = useSyncExternalStore(subscribe, () => now);
  if (expiresAt < 0) return <span className="text-text-muted">{never}</span>;
  const left = expiresAt - at;
  if (left <= 0) return <span className="text-danger">expired</span>;
  return <span title={`Expires ${moment(expiresAt)}`}>{left < 1000 ? "< 1 s" : duration(left)}</span>;
}
