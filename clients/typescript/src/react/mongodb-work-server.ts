/** A MongoDB server: how it is doing, and what it does now. */

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type MongoServerStatus = Schemas["MongodbGetServerStatusResponse"];
export type MongoMember = Schemas["MongodbMember"];
export type MongoOperation = Schemas["MongodbOperation"];
export type MongoRecommendation = Schemas["MongodbServerRecommendation"];
export type MongoTopEntry = Schemas["MongodbTopEntry"];
export type MongoTopFigure = Schemas["MongodbTopFigure"];
export type MongoLogLine = Schemas["MongodbLogLine"];
export type MongoUnavailable = Schemas["MongodbUnavailable"];

/** By what operations are narrowed. */
export interface MongoOperationFilters {
  minMs: number;
  namespace: string;
  idle: boolean;
  system: boolean;
}

const STATUS_EVERY_MS = 5_000;
const OPERATIONS_EVERY_MS = 2_000;
const OPERATIONS = 500;
const TOP = 200;
const LOG_LINES = 1024;

/** The server at a glance, again and again. */
export function useMongoServerStatus(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "server"),
    refetchInterval: STATUS_EVERY_MS,
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/mongodb/{database_id}/server/status", { params, signal }));
    },
  });
}

/** What to change about the server. */
export function useMongoRecommendations(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "recommendations"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(
        client.GET("/api/platform/mongodb/{database_id}/server/recommendations", { params, signal }),
      );
    },
  });
}

/** In which collections the server has spent its time since it was started, the most first; again and again. */
export function useMongoTop(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "top"),
    refetchInterval: STATUS_EVERY_MS,
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { limit: TOP } };
      return data(client.GET("/api/platform/mongodb/{database_id}/server/top", { params, signal }));
    },
  });
}

/** The last lines of the server's log that contain `search`, the newest first; of its warnings at the start alone where
 * `log` says so. */
export function useMongoServerLog(databaseId: string, log: "global" | "startupWarnings", search: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "log", log, search),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { log, search, limit: LOG_LINES } };
      return data(client.GET("/api/platform/mongodb/{database_id}/server/log", { params, signal }));
    },
  });
}

/** What the server does now, the longest first; again and again while `live`. */
export function useMongoOperations(databaseId: string, filters: MongoOperationFilters, live: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "operations", filters),
    refetchInterval: live ? OPERATIONS_EVERY_MS : false,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => {
      const query = {
        min_ms: filters.minMs,
        namespace: filters.namespace,
        idle: filters.idle,
        system: filters.system,
        limit: OPERATIONS,
      };
      const params = { path: { database_id: databaseId }, query };
      return data(client.GET("/api/platform/mongodb/{database_id}/server/operations", { params, signal }));
    },
  });
}

/** Asks the server to end an operation. */
export function useKillMongoOperation(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (opid: string) => {
      const params = { path: { database_id: databaseId } };
      return data(
        client.POST("/api/platform/mongodb/{database_id}/server/operations/kill", { params, body: { opid } }),
      );
    },
    onSuccess: () =>
      queries.invalidateQueries({ queryKey: keys.engine("mongodb", databaseId, "operations") }),
  });
}
