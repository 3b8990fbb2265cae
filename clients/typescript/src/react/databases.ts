/** The registry of connections. */

import { queryOptions, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type Database = Schemas["RegistryDatabase"];
export type Diagnosis = Schemas["RegistryConnectionDiagnosis"];
export type DatabaseHealth = Schemas["RegistryGetDatabaseHealthResponse"];
export type DatabaseStats = Schemas["RegistryGetDatabaseStatsResponse"];
export type CreateDatabase = Schemas["RegistryCreateDatabaseRequest"];
export type UpdateDatabase = Schemas["RegistryUpdateDatabaseRequest"];
export type TestConnection = Schemas["RegistryTestConnectionRequest"];

/** By what a list is narrowed. */
export interface DatabaseFilters {
  project_ref?: string | undefined;
  type?: "" | "postgres" | "redis" | "mongodb" | "bun_api";
  status?: "" | "active" | "inactive" | "error";
  search?: string;
}

const PAGE_SIZE = 100;
const NEXT_PAGE = "x-next-page-token";
const HEALTH_STALE_MS = 30_000;

/** The registered databases that the caller may see, page by page. */
export function useDatabases(filters: DatabaseFilters = {}) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keys.databaseList(filters),
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }) => {
      const query = { ...filters, page_size: PAGE_SIZE, page_token: pageParam };
      const answer = await client.GET("/api/platform/databases", { params: { query }, signal });
      return { databases: answer.data ?? [], next: answer.response.headers.get(NEXT_PAGE) ?? "" };
    },
    getNextPageParam: (page) => page.next || undefined,
  });
}

/** One database, as a query that a router can load ahead. */
export function databaseQuery(client: Client, id: string) {
  return queryOptions({
    queryKey: keys.database(id),
    queryFn: ({ signal }) =>
      data(client.GET("/api/platform/databases/{id}", { params: { path: { id } }, signal })),
  });
}

/** One database. */
export function useDatabase(id: string) {
  return useQuery(databaseQuery(useClient(), id));
}

/** The health checks of a database; the last 24 hours unless `since` (RFC 3339) says otherwise. */
export function useDatabaseHealth(id: string, since?: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.databaseHealth(id, since),
    queryFn: ({ signal }) => {
      const params = { path: { id }, query: since ? { since } : {} };
      return data(client.GET("/api/platform/databases/{id}/health", { params, signal }));
    },
    staleTime: HEALTH_STALE_MS,
    refetchInterval: HEALTH_STALE_MS,
  });
}

/** How many databases there are, by type and status. */
export function useDatabaseStats(projectRef?: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.databaseStats(projectRef),
    queryFn: ({ signal }) => {
      const query = projectRef ? { project_ref: projectRef } : {};
      return data(client.GET("/api/platform/databases/stats", { params: { query }, signal }));
    },
  });
}

/** Registers a database; the connection is tested first unless `skip_test` says not to. */
export function useCreateDatabase() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: CreateDatabase) => data(client.POST("/api/platform/databases", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.databases }),
  });
}

/** Changes the fields that are given. */
export function useUpdateDatabase(id: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: UpdateDatabase) =>
      data(client.PATCH("/api/platform/databases/{id}", { params: { path: { id } }, body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.databases }),
  });
}

/** Removes a database from the registry; what it holds is left alone. */
export function useDeleteDatabase() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await client.DELETE("/api/platform/databases/{id}", { params: { path: { id } } });
      queries.removeQueries({ queryKey: keys.database(id) });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.databases }),
  });
}

/** Tests a connection that is not saved; what it finds is the answer, a failed test is no error. `signal` gives it up. */
export function useTestConnection() {
  const client = useClient();
  return useMutation({
    mutationFn: ({ signal, ...body }: TestConnection & { signal?: AbortSignal }) =>
      data(client.POST("/api/platform/databases/test", { body, ...(signal ? { signal } : {}) })),
  });
}

/** Tests the connection of a registered database. */
export function useTestDatabase(id: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ signal }: { signal?: AbortSignal } = {}) => {
      const params = { path: { id } };
      const init = { params, body: {}, ...(signal ? { signal } : {}) };
      return data(client.POST("/api/platform/databases/{id}/test", init));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: keys.database(id) }),
  });
}
