/** What the Redis page shows beside the browser: work on many keys, the console, the server. */

import type { Database } from "@studio-databases/client/react";
import { type ComponentType, lazy } from "react";

/** One view: `value` stands in the address, `component` is mounted while it is chosen. */
export interface Operation {
  value: string;
  label: string;
  /** The action without which there is nothing to see: the page leaves the view out then. */
  needs: string;
  component: ComponentType<{ database: Database }>;
}

export const OPERATIONS: readonly Operation[] = [
  {
    value: "console",
    // The service judges each command: what only reads runs on a read-only connection, too.
    needs: "redis.console.describe",
    label: "Console",
    component: lazy(() => import("./console")),
  },
  { value: "bulk", needs: "redis.bulk.preview", label: "Bulk work", component: lazy(() => import("./bulk")) },
  {
    value: "transfer",
    needs: "redis.bulk.export",
    label: "Export and import",
    component: lazy(() => import("./transfer")),
  },
  {
    value: "analysis",
    needs: "redis.server.analyze",
    label: "Analysis",
    component: lazy(() => import("./analysis")),
  },
  { value: "live", needs: "redis.live.subscribe", label: "Live", component: lazy(() => import("./live")) },
  {
    value: "slowlog",
    needs: "redis.server.slowlog",
    label: "Slow log",
    component: lazy(() => import("./server/slow-log")),
  },
  {
    value: "latency",
    needs: "redis.server.latency",
    label: "Latency",
    component: lazy(() => import("./server/latency")),
  },
  {
    value: "clients",
    needs: "redis.server.clients",
    label: "Clients",
    component: lazy(() => import("./server/clients")),
  },
  {
    value: "server",
    needs: "redis.server.overview",
    label: "Server",
    component: lazy(() => import("./server/overview")),
  },
];
