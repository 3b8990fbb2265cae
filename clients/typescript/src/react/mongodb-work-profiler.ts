/** What a MongoDB database records of its operations, and the sessions of its server. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type MongoProfiler = Schemas["MongodbProfiler"];
export type MongoProfilerEntry = Schemas["MongodbProfilerEntry"];
export type MongoProfilerChange = Omit<Schemas["MongodbSetProfilerRequest"], "database_name">;
export type MongoSession = Schemas["MongodbSession"];

/** By what entries are narrowed. */
export interface MongoProfilerFilters {
  collection: string;
  operation: string;
  minMs: number;
}

const ENTRIES_A_PAGE = 100;
const SESSIONS = 500;

function keyOf(databaseId: string, databaseName: string) {
  return keys.engine("mongodb", databaseId, "profiler", databaseName);
}

/** What is recorded of a database. */
export function useMongoProfiler(databaseId: string, databaseName: string) {
  const client = useClient();
  return useQuery({
    queryKey: [...keyOf(databaseId, databaseName), "state"],
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { database_name: databaseName } };
      return data(client.GET("/api/platform/mongodb/{database_id}/server/profiler", { params, signal }));
    },
  });
}

/** Says what to record of a database from now on. */
export function useSetMongoProfiler(databaseId: string, databaseName: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (change: MongoProfilerChange) =>
      data(
        client.PUT("/api/platform/mongodb/{database_id}/server/profiler", {
          params: { path: { database_id: databaseId } },
          body: { database_name: databaseName, ...change },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: keyOf(databaseId, databaseName) }),
  });
}

/** What was recorded, the newest first, page by page. */
export function useMongoProfilerEntries(
  databaseId: string,
  databaseName: string,
  filters: MongoProfilerFilters,
) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: [...keyOf(databaseId, databaseName), "entries", filters],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        database_name: databaseName,
        collection: filters.collection,
        operation: filters.operation,
        min_ms: filters.minMs,
        page_size: ENTRIES_A_PAGE,
        page_token: pageParam,
      };
      const params = { path: { database_id: databaseId }, query };
      return data(
        client.GET("/api/platform/mongodb/{database_id}/server/profiler/entries", { params, signal }),
      );
    },
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}

/** The sessions of the server that answers, or those that the whole cluster knows; those used last first. */
export function useMongoSessions(databaseId: string, cluster: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "sessions", cluster),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { cluster, limit: SESSIONS } };
      return data(client.GET("/api/platform/mongodb/{database_id}/server/sessions", { params, signal }));
    },
  });
}
