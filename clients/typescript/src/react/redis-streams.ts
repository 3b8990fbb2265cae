/** Streams of Redis: entries, consumer groups, what is pending. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { blobId, blobQuery, type RedisBlob, type RedisName } from "./redis-blob.js";
import { redisGet, redisKeyId } from "./redis-calls.js";

type Schemas = components["schemas"];
export type RedisStreamEntry = Schemas["RedisStreamEntry"];
export type RedisStreamField = Schemas["RedisStreamField"];
export type RedisStreamGroup = Schemas["RedisStreamGroup"];
export type RedisStreamConsumer = Schemas["RedisStreamConsumer"];
export type RedisPendingEntry = Schemas["RedisPendingEntry"];

const PAGE = 100;

/** The entries of a stream between two ids, both empty for all. */
export function useRedisStream(
  databaseId: string,
  name: RedisName,
  range: { start: string; end: string; reverse: boolean },
) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: redisKeyId(databaseId, name, "stream", "entries", range),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const at = pageParam ? { [range.reverse ? "end" : "start"]: pageParam } : {};
      return redisGet(client, databaseId, "stream", { ...name, ...range, ...at, count: PAGE }, signal);
    },
    getNextPageParam: (page) => page.next_start || undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function useRedisGroups(databaseId: string, name: RedisName) {
  const client = useClient();
  return useQuery({
    queryKey: redisKeyId(databaseId, name, "stream", "groups"),
    queryFn: ({ signal }) => redisGet(client, databaseId, "stream/groups", { ...name }, signal),
  });
}

export function useRedisConsumers(databaseId: string, name: RedisName, group: RedisBlob) {
  const client = useClient();
  return useQuery({
    queryKey: redisKeyId(databaseId, name, "stream", "consumers", blobId(group)),
    queryFn: ({ signal }) =>
      redisGet(client, databaseId, "stream/consumers", { ...name, ...blobQuery("group", group) }, signal),
  });
}

/** What a group, or one consumer of it, has not acknowledged. */
export function useRedisPending(
  databaseId: string,
  name: RedisName,
  group: RedisBlob,
  consumer: RedisBlob | undefined,
) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: redisKeyId(
      databaseId,
      name,
      "stream",
      "pending",
      blobId(group),
      consumer ? blobId(consumer) : "",
    ),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        ...name,
        ...blobQuery("group", group),
        ...(consumer ? blobQuery("consumer", consumer) : {}),
        start: pageParam,
        count: PAGE,
      };
      return redisGet(client, databaseId, "stream/pending", query, signal);
    },
    getNextPageParam: (page) => page.next_start || undefined,
  });
}
