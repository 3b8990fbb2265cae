/** PostgreSQL through pg-meta (https://github.com/supabase/postgres-meta): enough to look around. */

import { useMutation, useQuery } from "@tanstack/react-query";
import type { Client } from "../client.js";
import { ApiError, errorFrom } from "../errors.js";
import { parseExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

export interface PgSchema {
  id: number;
  name: string;
}

export interface PgColumn {
  name: string;
  format: string;
  is_nullable: boolean;
  default_value: unknown;
  comment: string | null;
}

export interface PgTable {
  id: number;
  schema: string;
  name: string;
  /** Estimated by PostgreSQL. */
  live_rows_estimate: number;
  bytes: number;
  size: string;
  comment: string | null;
  primary_keys: readonly { name: string }[];
  columns?: readonly PgColumn[];
}

/** A row: values as pg-meta's JSON has them. */
export type PgRow = Readonly<Record<string, unknown>>;

/** What PostgreSQL says of SQL that failed. */
export class SqlError extends ApiError {
  constructor(
    error: ApiError,
    /** SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
    readonly sqlState: string,
    /** Character in the statement, from 1; 0 where it is not about one. */
    readonly position: number,
  ) {
    super(error.message, error);
  }
}

/** One call of pg-meta.
 *
 * @throws SqlError where PostgreSQL refuses, ApiError where the call did not get so far.
 */
async function pgMeta<T>(client: Client, databaseId: string, path: string, init: RequestInit): Promise<T> {
  const origin = globalThis.location?.origin ?? "";
  const request = new Request(`${origin}/api/platform/pg-meta/${databaseId}/${path}`, init);
  const response = await client.forward(request);
  const text = await response.text();
  const body: unknown = parsed(text);
  if (response.ok) return body as T;
  const error = errorFrom(body, response.status, response.headers);
  const said = (body ?? {}) as { code?: unknown; position?: unknown; error?: unknown };
  // An error of pg-meta's own has a text there, this system's an object.
  if (typeof said.error !== "string") throw error;
  throw new SqlError(error, typeof said.code === "string" ? said.code : "", Number(said.position) || 0);
}

function parsed(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

function get<T>(client: Client, databaseId: string, path: string, signal: AbortSignal): Promise<T> {
  return pgMeta<T>(client, databaseId, path, { signal });
}

/** A server at a glance. */
export interface PgServer {
  /** `16.4`. */
  version: string;
  uptime_s: number;
  /** Of the database. */
  size_bytes: number;
  is_replica: boolean;
  /** Of clients, to all databases. */
  connections: number;
  active: number;
  max_connections: number;
}

const SERVER = `
SELECT current_setting('server_version') AS version,
  extract(epoch FROM now() - pg_postmaster_start_time())::float8 AS uptime_s,
  pg_database_size(current_database())::float8 AS size_bytes,
  pg_is_in_recovery() AS is_replica,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND state = 'active') AS active,
  current_setting('max_connections')::int AS max_connections`;

/** The server at a glance, again and again. */
export function usePgServer(databaseId: string, everyMs: number) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("postgres", databaseId, "server"),
    queryFn: async ({ signal }) => {
      const [row] = await runSql(client, databaseId, SERVER.trim(), signal);
      return row as unknown as PgServer;
    },
    refetchInterval: everyMs,
  });
}

/** Runs SQL; of several statements the rows of the last. */
export function runSql(
  client: Client,
  databaseId: string,
  query: string,
  signal?: AbortSignal,
): Promise<PgRow[]> {
  return pgMeta<PgRow[]>(client, databaseId, "query", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
    ...(signal ? { signal } : {}),
  });
}

export function usePgSchemas(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("postgres", databaseId, "schemas"),
    queryFn: ({ signal }) =>
      get<PgSchema[]>(client, databaseId, "schemas?include_system_schemas=false", signal),
  });
}

/** The tables of a schema, without their columns. */
export function usePgTables(databaseId: string, schema: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("postgres", databaseId, "tables", schema),
    queryFn: ({ signal }) => {
      const query = new URLSearchParams({ included_schemas: schema, include_columns: "false" });
      return get<PgTable[]>(client, databaseId, `tables?${query}`, signal);
    },
  });
}

/** A table with its columns. */
export function usePgTable(databaseId: string, id: number) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("postgres", databaseId, "table", id),
    queryFn: ({ signal }) => get<PgTable>(client, databaseId, `tables/${id}`, signal),
  });
}

/** A page of a table's rows, by its primary key where it has one. */
export function usePgRows(databaseId: string, table: PgTable, page: number, size: number) {
  const client = useClient();
  const order = table.primary_keys.map((key) => identifier(key.name)).join(", ");
  const sql = [
    `SELECT * FROM ${identifier(table.schema)}.${identifier(table.name)}`,
    order ? ` ORDER BY ${order}` : "",
    // One more than is shown tells whether there is a next page.
    ` LIMIT ${size + 1} OFFSET ${page * size}`,
  ].join("");
  return useQuery({
    queryKey: keys.engine("postgres", databaseId, "rows", table.id, page, size),
    queryFn: ({ signal }) => runSql(client, databaseId, sql, signal),
    placeholderData: (before) => before,
  });
}

export function useRunSql(databaseId: string) {
  const client = useClient();
  return useMutation({
    mutationFn: async ({ query, signal }: { query: string; signal: AbortSignal }) => {
      const started = performance.now();
      const rows = await runSql(client, databaseId, query, signal);
      return { rows, ms: performance.now() - started };
    },
  });
}

/** An identifier as SQL takes it: https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
