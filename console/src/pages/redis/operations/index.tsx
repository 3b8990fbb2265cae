/** What the Redis page shows beside the browser: work on many keys, the console, the server. */

import type { Database } from "@studio-databases/client/react";
import { type ComponentType, lazy } from "react";

/** One view: `value` stands in the address, `component` is mounted while it is chosen. */
export interface Operation {
  value: string;
  label: string;
  component: ComponentType<{ database: Database }>;
}

export const OPERATIONS: readonly Operation[] = [
  { value: "console", label: "Console", component: lazy(() => import("./console")) },
  { value: "bulk", label: "Bulk work", component: lazy(() => import("./bulk")) },
  { value: "transfer", label: "Export and import", component: lazy(() => import("./transfer")) },
  { value: "analysis", label: "Analysis", component: lazy(() => import("./analysis")) },
  { value: "live", label: "Live", component: lazy(() => import("./live")) },
  { value: "slowlog", label: "Slow log", component: lazy(() => import("./server/slow-log")) },
  { value: "latency", label: "Latency", component: lazy(() => import("./server/latency")) },
  { value: "clients", label: "Clients", component: lazy(() => import("./server/clients")) },
  { value: "server", label: "Server", component: lazy(() => import("./server/overview")) },
];
