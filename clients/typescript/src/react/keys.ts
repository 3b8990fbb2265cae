/** Query keys: each begins with its area and, where there is one, its database, so that what belongs to it can be thrown away at once. */

export const keys = {
  session: ["session"] as const,
  permissions: (databaseId?: string) => ["permissions", databaseId ?? ""] as const,
  /** Everything about registered databases: lists, details, health. */
  databases: ["databases"] as const,
  databaseList: (filters: object) => ["databases", "list", filters] as const,
  database: (id: string) => ["databases", "one", id] as const,
  databaseHealth: (id: string, since?: string) => ["databases", "one", id, "health", since ?? ""] as const,
  databaseStats: (projectRef?: string) => ["databases", "stats", projectRef ?? ""] as const,
  grants: (id: string) => ["databases", "one", id, "grants"] as const,
  audit: (filters: object) => ["audit", filters] as const,
  apiKeys: ["api-keys"] as const,
  /** What an engine's service says of one database. */
  engine: (area: "redis" | "mongodb" | "bun" | "postgres", id: string, ...more: readonly unknown[]) =>
    [area, id, ...more] as const,
};
