/** Values of Redis, page by page. */

import {
  type QueryKey,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { blobOf, blobQuery, bytesOf, type RedisName } from "./redis-blob.js";
import { redisGet, redisKeyId, redisPost } from "./redis-calls.js";

type Schemas = components["schemas"];
export type RedisHashField = Schemas["RedisHashField"];
export type RedisScoredMember = Schemas["RedisScoredMember"];
export type RedisListPage = Schemas["RedisListItemsResponse"];

/** Elements a page. */
const PAGE = 200;
/** Bytes of a value to come with its page; the rest when it is looked at. */
const BEGINNING = 1024;
/** Bytes of a range of a long element. */
const RANGE = 1 << 20;

/** A range of a string. */
export interface RedisRange {
  bytes: Uint8Array;
  offset: number;
  /** Bytes of the whole string. */
  length: number;
}

/** The beginning of a string, or a range in it. */
export function useRedisString(databaseId: string, name: RedisName, offset: number, limit: number) {
  const client = useClient();
  return useQuery({
    queryKey: redisKeyId(databaseId, name, "string", offset, limit),
    queryFn: async ({ signal }): Promise<RedisRange> => {
      const found = await redisGet(client, databaseId, "get", { ...name, offset, limit }, signal);
      return { bytes: bytesOf(found), offset: found.offset, length: found.length };
    },
    // What is being edited must not change under the hands.
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Replaces a string, keeping its expiry; with `expected` only where it still holds that. */
export function useSetRedisString(databaseId: string, name: RedisName) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ bytes, expected }: { bytes: Uint8Array; expected?: Uint8Array | undefined }) => {
      const content = blobOf(bytes);
      const before = expected ? blobOf(expected) : undefined;
      const held =
        before === undefined
          ? {}
          : "value" in before
            ? { expected_value: before.value }
            : { expected_value_base64: before.value_base64 };
      return redisPost(client, databaseId, "set", { ...name, ...content, ...held, keep_ttl: true });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: redisKeyId(databaseId, name) }),
  });
}

/** Overwrites a range of a string, keeping its expiry; with `expected` only where it still holds that. */
export function useSetRedisRange(databaseId: string, name: RedisName) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({
      offset,
      bytes,
      expected,
    }: {
      offset: number;
      bytes: Uint8Array;
      expected?: Uint8Array | undefined;
    }) =>
      redisPost(client, databaseId, "string/range", {
        ...name,
        offset,
        content: blobOf(bytes),
        ...(expected ? { expected: blobOf(expected) } : {}),
      }),
    onSuccess: () => queries.invalidateQueries({ queryKey: redisKeyId(databaseId, name) }),
  });
}

/** The fields of a hash. */
export function useRedisHash(databaseId: string, name: RedisName, pattern: string) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: redisKeyId(databaseId, name, "hash", pattern),
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }) => {
      const query = {
        ...name,
        ...(pattern ? blobQuery("pattern", { value: pattern }) : {}),
        cursor: pageParam,
        count: PAGE,
        max_value_bytes: BEGINNING,
        with_ttl: true,
      };
      return { ...(await redisGet(client, databaseId, "hash", query, signal)), at: Date.now() };
    },
    getNextPageParam: (page) => page.cursor || undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The items of a list from an index on. */
export function useRedisList(databaseId: string, name: RedisName, start: number) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: redisKeyId(databaseId, name, "list", start),
    initialPageParam: start,
    queryFn: ({ pageParam, signal }) => {
      const query = { ...name, start: pageParam, count: PAGE, max_value_bytes: BEGINNING };
      return redisGet(client, databaseId, "list", query, signal);
    },
    getNextPageParam: (page) => {
      const next = page.start + page.items.length;
      return page.items.length > 0 && next < page.length ? next : undefined;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The members of a set. */
export function useRedisSet(databaseId: string, name: RedisName, pattern: string) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: redisKeyId(databaseId, name, "set", pattern),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        ...name,
        ...(pattern ? blobQuery("pattern", { value: pattern }) : {}),
        cursor: pageParam,
        count: PAGE,
      };
      return redisGet(client, databaseId, "set-members", query, signal);
    },
    getNextPageParam: (page) => page.cursor || undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Which members of a sorted set, and in which order. */
export interface RedisScores {
  reverse: boolean;
  /** Least and greatest score as ZRANGE writes them; empty for all. */
  min: string;
  max: string;
  /** A glob for the member; takes the place of the range and its order. */
  pattern: string;
}

/** The members of a sorted set with their scores. */
export function useRedisSortedSet(databaseId: string, name: RedisName, scores: RedisScores) {
  const client = useClient();
  const { pattern, reverse, min, max } = scores;
  const byScore = min !== "" || max !== "";
  return useInfiniteQuery({
    queryKey: redisKeyId(databaseId, name, "sorted-set", scores),
    initialPageParam: { offset: 0, cursor: "" },
    queryFn: ({ pageParam, signal }) => {
      const query = pattern
        ? { ...name, ...blobQuery("pattern", { value: pattern }), cursor: pageParam.cursor, count: PAGE }
        : {
            ...name,
            by: byScore ? ("score" as const) : ("rank" as const),
            min,
            max,
            reverse,
            offset: pageParam.offset,
            count: PAGE,
          };
      return redisGet(client, databaseId, "sorted-set", query, signal);
    },
    getNextPageParam: (page, _, before) => {
      if (pattern) return page.cursor ? { offset: 0, cursor: page.cursor } : undefined;
      return page.more ? { offset: before.offset + page.members.length, cursor: "" } : undefined;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** JSON that a path selects, as the text the server gave. */
export function useRedisJson(databaseId: string, name: RedisName, path: string) {
  const client = useClient();
  return useQuery({
    queryKey: redisKeyId(databaseId, name, "json", path),
    queryFn: ({ signal }) => redisGet(client, databaseId, "json", { ...name, path }, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Which element of a hash or list is looked at. */
export type RedisElement = { field: Schemas["RedisBlob"] } | { index: number };

/** All bytes of one element, in ranges; at most `most` of them.
 *
 * `full` says how many there are.
 */
export function useRedisElement(
  databaseId: string,
  name: RedisName,
  element: RedisElement | undefined,
  most: number,
) {
  const client = useClient();
  return useQuery({
    queryKey: redisKeyId(databaseId, name, "element", element),
    enabled: element !== undefined,
    queryFn: async ({ signal }) => {
      const parts: Uint8Array[] = [];
      let come = 0;
      let full = 0;
      do {
        const range = await elementRange(come, signal);
        full = range.full_length || come + bytesOf(range).length;
        const bytes = bytesOf(range);
        if (bytes.length === 0) break;
        parts.push(bytes);
        come += bytes.length;
      } while (come < full && come < most);
      return { bytes: joined(parts), full };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

  async function elementRange(offset: number, signal: AbortSignal) {
    if (element && "index" in element) {
      const query = { ...name, start: element.index, count: 1, max_value_bytes: RANGE, value_offset: offset };
      return (await redisGet(client, databaseId, "list", query, signal)).items[0] ?? { full_length: 0 };
    }
    const query = { ...name, ...blobQuery("field", element?.field ?? {}), offset, limit: RANGE };
    const answer = await redisGet(client, databaseId, "hash/field", query, signal);
    return answer.field?.content ?? { full_length: 0 };
  }
}

/** Changes the loaded pages as the server was changed, rather than loading all of them again. */
export function usePatchPages<Page>() {
  const queries = useQueryClient();
  return (queryKey: QueryKey, change: (page: Page) => Page) =>
    queries.setQueriesData<{ pages: Page[]; pageParams: unknown[] }>({ queryKey }, (before) =>
      before?.pages ? { ...before, pages: before.pages.map(change) } : before,
    );
}

/** Loads a key's value from its beginning again. */
export function useResetRedisKey(databaseId: string, name: RedisName) {
  const queries = useQueryClient();
  return () => queries.resetQueries({ queryKey: redisKeyId(databaseId, name) });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
