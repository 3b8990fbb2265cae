/** What is done to the selected keys, as it is chosen. */

import type { RedisJob, RedisSelection } from "@studio-databases/client/react";
import { duration } from "@/lib/format";

export type ActionKind = "delete" | "expire" | "persist" | "copy";

/** A job with the words for it. */
export interface Plan {
  job: Exclude<RedisJob, { work: "bulk/preview" }>;
  /** While it goes on: `Deleting keys`. */
  title: string;
  /** What has happened to a key that is done: `deleted`. */
  done: string;
  /** The verb on the button. */
  verb: string;
}

export interface Options {
  ttlMs: number | undefined;
  target: { id: string; name: string } | undefined;
  overwrite: boolean;
}

export const ACTIONS: readonly { kind: ActionKind; label: string; needs: string }[] = [
  { kind: "delete", label: "Delete", needs: "redis.bulk.delete" },
  { kind: "expire", label: "Let expire", needs: "redis.bulk.expire" },
  { kind: "persist", label: "Remove the expiry", needs: "redis.bulk.expire" },
  { kind: "copy", label: "Copy to another Redis", needs: "redis.bulk.copy" },
];

/** The plan, once its options are complete. */
export function planOf(kind: ActionKind, selection: RedisSelection, options: Options): Plan | undefined {
  const { ttlMs, target, overwrite } = options;
  switch (kind) {
    case "delete":
      return {
        job: { work: "bulk/delete", body: { selection } },
        title: "Deleting",
        done: "deleted",
        verb: "Delete",
      };
    case "expire":
      if (ttlMs === undefined || Number.isNaN(ttlMs)) return undefined;
      return {
        job: { work: "bulk/expire", body: { selection, ttl_ms: ttlMs } },
        title: `Letting expire in ${duration(ttlMs)}`,
        done: "set to expire",
        verb: "Let expire",
      };
    case "persist":
      return {
        job: { work: "bulk/expire", body: { selection } },
        title: "Removing the expiry",
        done: "kept for ever",
        verb: "Remove the expiry of",
      };
    case "copy":
      if (!target) return undefined;
      return {
        job: { work: "bulk/copy", body: { selection, target_database_id: target.id, overwrite } },
        title: `Copying to ${target.name}`,
        done: "copied",
        verb: "Copy",
      };
  }
}
