/** Who is signed in, and what they may do. */

import { queryOptions, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import { ApiError } from "../errors.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

const PERMISSIONS_STALE_MS = 60_000;
const CHANGING = new Set(["developer", "administrator", "owner"]);

/** The session of the browser's cookie; null where there is none. */
export function sessionQuery(client: Client) {
  return queryOptions({
    queryKey: keys.session,
    queryFn: async ({ signal }) => {
      try {
        return await data(client.GET("/api/platform/session", { signal }));
      } catch (error) {
        if (error instanceof ApiError && error.needsSignIn) return null;
        throw error;
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useSession() {
  return useQuery(sessionQuery(useClient()));
}

/** Signs in with a token or API key, which is not kept. */
export function useSignIn() {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (credential: string) =>
      data(
        client.POST("/api/platform/session", {
          headers: { authorization: `Bearer ${credential}` },
          body: {},
        }),
      ),
    onSuccess: (session) => queries.setQueryData(sessionQuery(client).queryKey, session),
  });
}

/** What the caller may do: with no database, in general; with one, on it. */
export function usePermissions(databaseId?: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.permissions(databaseId),
    queryFn: ({ signal }) => {
      const query = databaseId ? { database_id: databaseId } : {};
      return data(client.GET("/api/platform/permissions", { params: { query }, signal }));
    },
    staleTime: PERMISSIONS_STALE_MS,
  });
}

/** Whether the caller may change data of a database, where what changes it is no rpc: requests to a Bun API, SQL. False until
 * it is known. */
export function useMayChange(databaseId: string): boolean {
  const database = usePermissions(databaseId).data?.database;
  return database !== undefined && !database.read_only && CHANGING.has(database.role);
}

/** Whether the caller may do something, by the action's name in the contract: `redis.key.set`. False until it is known. */
export function useMay(databaseId?: string): (action: string) => boolean {
  const { data: found } = usePermissions(databaseId);
  const known = new Set((databaseId ? found?.database?.actions : found?.actions) ?? []);
  return (action) => known.has(action);
}
