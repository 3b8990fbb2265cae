/** What a MongoDB server holds: databases, collections and views, and how large they are. */

import {
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type MongoDatabase = Schemas["MongodbDatabaseInfo"];
export type MongoCollection = Schemas["MongodbCollectionInfo"];
export type MongoStats = Schemas["MongodbGetStatsResponse"];
export type CreateMongoCollection = Schemas["MongodbCreateCollectionBody"];

/** A collection, or a database where `collection` is empty. */
export interface MongoNamespace {
  databaseName: string;
  collection: string;
}

const COLLECTIONS_A_PAGE = 200;
const STATS_STALE_MS = 60_000;

/** The databases that the connection's user may see, without their sizes. */
export function useMongoDatabases(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "databases"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/mongodb/{database_id}/databases", { params, signal }));
    },
  });
}

/** The collections and views of a database, page by page. */
export function useMongoCollections(databaseId: string, databaseName: string, search = "", enabled = true) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keys.engine("mongodb", databaseId, "collections", databaseName, search),
    enabled,
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        database_name: databaseName,
        search,
        page_size: COLLECTIONS_A_PAGE,
        page_token: pageParam,
      };
      const params = { path: { database_id: databaseId }, query };
      return data(client.GET("/api/platform/mongodb/{database_id}/collections", { params, signal }));
    },
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}

/** How large a collection or a database is, by the server's own bookkeeping. */
export function useMongoStats(
  databaseId: string,
  { databaseName, collection }: MongoNamespace,
  enabled = true,
) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "stats", databaseName, collection),
    enabled,
    staleTime: STATS_STALE_MS,
    queryFn: ({ signal }) => {
      const params = {
        path: { database_id: databaseId },
        query: { database_name: databaseName, collection },
      };
      return data(client.GET("/api/platform/mongodb/{database_id}/stats", { params, signal }));
    },
  });
}

/** Asks anew which collections a database has: one has come, gone or been renamed. */
function forgetCollections(queries: QueryClient, databaseId: string, databaseName: string) {
  for (const each of ["stats", "documents"]) {
    // Not asked anew at once: what is on the page may be gone by now.
    const queryKey = keys.engine("mongodb", databaseId, each, databaseName);
    queries.invalidateQueries({ queryKey, refetchType: "none" });
  }
  return queries.invalidateQueries({
    queryKey: keys.engine("mongodb", databaseId, "collections", databaseName),
  });
}

/** Makes a database by its first collection. */
export function useCreateMongoDatabase(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: CreateMongoCollection) => {
      const params = { path: { database_id: databaseId } };
      return data(
        client.POST("/api/platform/mongodb/{database_id}/databases", {
          params,
          body,
          bodySerializer: stringifyExact,
        }),
      );
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.engine("mongodb", databaseId, "databases") }),
  });
}

/** Drops a database with all that is in it. */
export function useDropMongoDatabase(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (name: string) => {
      const query = { database_name: name, confirm: name };
      const params = { path: { database_id: databaseId }, query };
      await client.DELETE("/api/platform/mongodb/{database_id}/databases", { params });
    },
    onSuccess: (_, name) => {
      queries.invalidateQueries({ queryKey: keys.engine("mongodb", databaseId, "databases") });
      return forgetCollections(queries, databaseId, name);
    },
  });
}

/** Makes a collection, a time series or a view. */
export function useCreateMongoCollection(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: CreateMongoCollection) => {
      const params = { path: { database_id: databaseId } };
      return data(
        client.POST("/api/platform/mongodb/{database_id}/collections", {
          params,
          body,
          bodySerializer: stringifyExact,
        }),
      );
    },
    onSuccess: (_, body) => forgetCollections(queries, databaseId, body.database_name ?? ""),
  });
}

/** Renames a collection within its database; one that has the name already stays. */
export function useRenameMongoCollection(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ databaseName, collection, newName }: MongoNamespace & { newName: string }) => {
      const body = { database_name: databaseName, collection, new_name: newName };
      const params = { path: { database_id: databaseId } };
      return data(client.POST("/api/platform/mongodb/{database_id}/collections/rename", { params, body }));
    },
    onSuccess: (_, { databaseName }) => forgetCollections(queries, databaseId, databaseName),
  });
}

/** Drops a collection or a view. */
export function useDropMongoCollection(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ databaseName, collection }: MongoNamespace) => {
      const query = { database_name: databaseName, collection };
      const params = { path: { database_id: databaseId }, query };
      await client.DELETE("/api/platform/mongodb/{database_id}/collections", { params });
    },
    onSuccess: (_, { databaseName }) => forgetCollections(queries, databaseId, databaseName),
  });
}
