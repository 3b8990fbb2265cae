/** Keys of Redis as such: what is known of one, and what happens to it as a whole. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import { nameBlob, nameOf, type RedisName } from "./redis-blob.js";
import { type RedisQuery, redisGet, redisKeyId, redisPost } from "./redis-calls.js";

type Schemas = components["schemas"];
export type RedisKeyPage = Schemas["RedisListKeysResponse"];
export type RedisKeyDetails = Schemas["RedisGetKeyResponse"] & {
  /** Milliseconds since 1970 when the answer came: its TTL counts from there. */
  at: number;
};
export type RedisNamespacePage = Schemas["RedisListNamespacesResponse"];

/** Which keys, and what of them; see docs/redis.md. */
export type RedisKeyFilters = Omit<RedisQuery<"keys">, "cursor">;

/** The keys that match, scanned page by page: a page may be empty and have more behind it. */
export function useRedisKeys(databaseId: string, filters: RedisKeyFilters = {}) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keys.engine("redis", databaseId, "keys", filters),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) =>
      redisGet(client, databaseId, "keys", { ...filters, cursor: pageParam }, signal),
    getNextPageParam: (page) => page.cursor || undefined,
  });
}

/** All that is known of a key but its value. */
export function useRedisKey(databaseId: string, name: RedisName) {
  const client = useClient();
  return useQuery({
    queryKey: redisKeyId(databaseId, name, "details"),
    queryFn: async ({ signal }): Promise<RedisKeyDetails> => {
      const details = await redisGet(client, databaseId, "key", { ...name }, signal);
      return { ...details, at: Date.now() };
    },
  });
}

/** Gives a key another name. */
export function useRenameRedisKey(databaseId: string, name: RedisName) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ to, overwrite }: { to: RedisName; overwrite: boolean }) => {
      const body = { ...name, new_key: nameBlob(to), overwrite };
      const answer = await redisPost(client, databaseId, "key/rename", body);
      return nameOf(answer.key ?? nameBlob(to));
    },
    onSuccess: (renamed) => {
      queries.removeQueries({ queryKey: redisKeyId(databaseId, name) });
      return queries.invalidateQueries({ queryKey: redisKeyId(databaseId, renamed) });
    },
  });
}

/** Copies a key inside its server. */
export function useCopyRedisKey(databaseId: string, name: RedisName) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ to, overwrite }: { to: RedisName; overwrite: boolean }) => {
      await redisPost(client, databaseId, "key/copy", { ...name, new_key: nameBlob(to), overwrite });
      return to;
    },
    onSuccess: (copy) => queries.invalidateQueries({ queryKey: redisKeyId(databaseId, copy) }),
  });
}

/** Removes a key. */
export function useDeleteRedisKey(databaseId: string, name: RedisName) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => redisPost(client, databaseId, "key/delete", { keys: [nameBlob(name)] }),
    onSuccess: () => queries.invalidateQueries({ queryKey: redisKeyId(databaseId, name) }),
  });
}

/** Sets when a key expires, in milliseconds from now; undefined for never. */
export function useExpireRedisKey(databaseId: string, name: RedisName) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (ttlMs: number | undefined) =>
      redisPost(client, databaseId, "key/expire", {
        ...name,
        ...(ttlMs === undefined ? {} : { ttl_ms: ttlMs }),
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: redisKeyId(databaseId, name, "details") }),
  });
}
