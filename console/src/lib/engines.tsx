/** The four kinds of databases, as the pages show them. */

import type { Database } from "@studio-databases/client/react";
import { Box, Database as Cylinder, Leaf, Zap } from "lucide-react";
import type { ReactNode } from "react";

export type EngineType = "postgres" | "redis" | "mongodb" | "bun_api";

interface Engine {
  name: string;
  icon: ReactNode;
  /** Last part of the path of its page. */
  page: "postgres" | "redis" | "mongodb" | "bun";
  /** What its page is called. */
  open: string;
}

export const ENGINES: Readonly<Record<EngineType, Engine>> = {
  postgres: {
    name: "PostgreSQL",
    icon: <Cylinder size={15} aria-hidden />,
    page: "postgres",
    open: "Tables and SQL",
  },
  redis: { name: "Redis", icon: <Zap size={15} aria-hidden />, page: "redis", open: "Browse keys" },
  mongodb: {
    name: "MongoDB",
    icon: <Leaf size={15} aria-hidden />,
    page: "mongodb",
    open: "Explore documents",
  },
  bun_api: { name: "Bun API", icon: <Box size={15} aria-hidden />, page: "bun", open: "Send requests" },
};

/** The kind of a database. */
export function engineOf(database: Pick<Database, "type">): Engine {
  return ENGINES[database.type as EngineType];
}

/** Whether a database's config marks it: `production`, `read_only`. As the services read it: any spelling, anything but false. */
export function isMarked(database: Pick<Database, "config">, mark: "production" | "readonly"): boolean {
  return Object.entries(database.config ?? {}).some(
    ([name, value]) =>
      name.replaceAll(/[_-]/g, "").toLowerCase() === mark &&
      (typeof value === "string"
        ? !["", "false", "no", "0", "off"].includes(value.trim().toLowerCase())
        : Boolean(value)),
  );
}
