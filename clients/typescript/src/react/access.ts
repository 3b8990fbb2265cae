/** Who may do what: grants on databases, and API keys. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type Grant = Schemas["RegistryGrant"];
export type CreateGrant = Omit<Schemas["RegistryCreateGrantRequest"], "database_id">;
export type ApiKey = Schemas["RegistryApiKey"];
export type CreateApiKey = Schemas["RegistryCreateApiKeyRequest"];

/** The grants on a database. */
export function useGrants(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.grants(databaseId),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/databases/{database_id}/permissions", { params, signal }));
    },
  });
}

/** Gives somebody a role on a database. */
export function useCreateGrant(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: CreateGrant) => {
      const params = { path: { database_id: databaseId } };
      return data(client.POST("/api/platform/databases/{database_id}/permissions", { params, body }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.grants(databaseId) }),
  });
}

/** Takes a grant back. */
export function useDeleteGrant(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      const params = { path: { database_id: databaseId, id } };
      await client.DELETE("/api/platform/databases/{database_id}/permissions/{id}", { params });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.grants(databaseId) }),
  });
}

/** The API keys, page by page; never their secrets. */
export function useApiKeys() {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keys.apiKeys,
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      data(client.GET("/api/platform/api-keys", { params: { query: { page_token: pageParam } }, signal })),
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}

/** Issues an API key; the answer has its secret, once. */
export function useCreateApiKey() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: CreateApiKey) => data(client.POST("/api/platform/api-keys", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.apiKeys }),
    // The secret shall not stay in the cache of mutations.
    gcTime: 0,
  });
}

/** Revokes an API key, at once and everywhere. */
export function useRevokeApiKey() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => {
      await client.DELETE("/api/platform/api-keys/{id}", { params: { path: { id } } });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.apiKeys }),
  });
}
