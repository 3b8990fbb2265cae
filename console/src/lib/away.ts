import { ApiError } from "@studio-databases/client";

/** Statuses of a service that is down for a moment; 0 where the gateway itself is. */
const AWAY = new Set([0, 502, 503]);
const SHORTEST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 15_000;

/** When to ask again by itself, in milliseconds: only what failed because somebody was away, so that the page comes back with
 * them.
 *
 * @param failures how often it has failed so.
 */
export function askAgainAfter(error: unknown, failures: number): number | false {
  if (!(error instanceof ApiError && error.retryable && AWAY.has(error.status))) return false;
  return Math.min(SHORTEST_WAIT_MS * 1.5 ** failures, LONGEST_WAIT_MS);
}
