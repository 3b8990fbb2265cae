/** Redis: the console, and the server itself: its clients, slow log, latencies and figures. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import { errorOf } from "../errors.js";
import type { components, paths } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type RedisCommandDescription = Schemas["RedisCommandDescription"];
export type RedisCommandReply = Schemas["RedisCommandReply"];
export type RedisReply = Schemas["RedisReply"];
export type RedisClient = Schemas["RedisClient"];
export type RedisClientType = NonNullable<
  NonNullable<paths["/api/platform/redis/{database_id}/clients"]["get"]["parameters"]["query"]>["type"]
>;
export type RedisSlowCommand = Schemas["RedisSlowCommand"];
export type RedisSlowLog = Schemas["RedisListSlowLogResponse"];
export type RedisLatency = Schemas["RedisGetLatencyResponse"];
export type RedisLatencyEvent = Schemas["RedisLatencyEvent"];
export type RedisCommandLatency = Schemas["RedisCommandLatency"];
export type RedisOverview = Schemas["RedisGetOverviewResponse"] & {
  /** Milliseconds since 1970 when the answer came. */
  at: number;
};
export type RedisRecommendation = Schemas["RedisRecommendation"];
export type RedisImported = Schemas["RedisImportKeysResponse"];

/** What the console runs: lines as redis-cli takes them, and the token of an earlier refusal. */
export interface RedisConsoleRun {
  lines: readonly string[];
  confirmation?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The commands that the server knows, with what they need. They stay as they are while the page is open. */
export function useRedisCommands(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("redis", databaseId, "commands"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/redis/{database_id}/console/commands", { params, signal }));
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Runs commands as one pipeline. */
export function useRunRedisCommands(databaseId: string) {
  const client = useClient();
  return useMutation({
    mutationFn: ({ lines, confirmation = "", signal }: RedisConsoleRun) => {
      const commands = lines.map((line) => ({ line }));
      const params = { path: { database_id: databaseId } };
      const body = { commands, confirmation };
      return data(
        client.POST("/api/platform/redis/{database_id}/console", {
          params,
          body,
          ...(signal ? { signal } : {}),
        }),
      );
    },
    // The replies belong to the page's log, not to a cache.
    gcTime: 0,
  });
}

/** Publishes messages. */
export function usePublishRedis(databaseId: string) {
  const client = useClient();
  return useMutation({
    mutationFn: (body: Schemas["RedisPublishRequest"]) => {
      const params = { path: { database_id: databaseId } };
      return data(client.POST("/api/platform/redis/{database_id}/publish", { params, body }));
    },
  });
}

/** The clients of the server; asked again every `everyMs`, where that is given. */
export function useRedisClients(databaseId: string, type: RedisClientType, everyMs?: number) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("redis", databaseId, "clients", type),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { type } };
      return data(client.GET("/api/platform/redis/{database_id}/clients", { params, signal }));
    },
    refetchInterval: everyMs ?? false,
  });
}

/** Closes a client's connection. */
export function useKillRedisClient(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, node }: Pick<RedisClient, "id" | "node">) => {
      const params = { path: { database_id: databaseId } };
      return data(
        client.POST("/api/platform/redis/{database_id}/clients/kill", { params, body: { id, node } }),
      );
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.engine("redis", databaseId, "clients") }),
  });
}

/** The newest entries of the slow log. */
export function useRedisSlowLog(databaseId: string, count: number) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("redis", databaseId, "slowlog", count),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { count } };
      return data(client.GET("/api/platform/redis/{database_id}/slowlog", { params, signal }));
    },
  });
}

/** Changes what the slow log takes and keeps, or empties it. */
export function useConfigureRedisSlowLog(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Schemas["RedisConfigureSlowLogRequest"]) => {
      const params = { path: { database_id: databaseId } };
      return data(client.POST("/api/platform/redis/{database_id}/slowlog/configure", { params, body }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.engine("redis", databaseId, "slowlog") }),
  });
}

/** Latencies, by event and by command. */
export function useRedisLatency(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("redis", databaseId, "latency"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/redis/{database_id}/latency", { params, signal }));
    },
  });
}

/** The server at a glance, again and again: its rates are of the time between two answers. */
export function useRedisOverview(databaseId: string, everyMs: number) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("redis", databaseId, "overview"),
    queryFn: async ({ signal }): Promise<RedisOverview> => {
      const params = { path: { database_id: databaseId } };
      const overview = await data(
        client.GET("/api/platform/redis/{database_id}/overview", { params, signal }),
      );
      return { ...overview, at: Date.now() };
    },
    refetchInterval: everyMs,
  });
}

/** What to change about the server, and why. */
export function useRedisRecommendations(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("redis", databaseId, "recommendations"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/redis/{database_id}/recommendations", { params, signal }));
    },
  });
}

/** Restores lines of an export, in base64.
 *
 * Where a production database wants a confirmation this throws it instead of having it asked: one holds for all parts of
 * an import, so it is the caller who asks, and gives the token with each further part.
 */
export async function importRedis(
  client: Client,
  databaseId: string,
  body: Schemas["RedisImportKeysRequest"],
  confirmation: string,
  signal: AbortSignal,
): Promise<RedisImported> {
  const path = `/api/platform/redis/${encodeURIComponent(databaseId)}/import`;
  const headers = {
    "content-type": "application/json",
    ...(confirmation ? { "x-confirmation": confirmation } : {}),
  };
  const request = new Request(new URL(path, globalThis.location.origin), {
    method: "POST",
    credentials: "same-origin",
    headers,
    body: JSON.stringify(body),
    signal,
  });
  const response = await client.forward(request);
  if (!response.ok) throw await errorOf(response);
  return response.json();
}
