/** One level of the tree of names, as far as it is counted: pages of the server's answers, added up. */

import {
  blobId,
  blobQuery,
  bytesOf,
  type Content,
  keys as queryKeys,
  type RedisNamespacePage,
  redisGet,
  useClient,
} from "@studio-databases/client/react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

/** Keys of the server to look at for one level, before the user is asked. */
const BUDGET = 500_000;

export interface Group {
  id: string;
  prefix: Content;
  keys: number;
}

export interface Level {
  groups: readonly Group[];
  keys: readonly Content[];
  scanned: number;
  total: number;
  omitted: number;
}

/** Adds pages up: the same group may come on each. */
export function addUp(pages: readonly RedisNamespacePage[]): Level {
  const groups = new Map<string, Group>();
  const keys = new Map<string, Content>();
  let scanned = 0;
  let omitted = 0;
  for (const page of pages) {
    scanned += page.scanned;
    omitted += page.omitted;
    for (const each of page.namespaces) {
      const prefix = each.prefix ?? {};
      const id = blobId(prefix);
      const known = groups.get(id);
      groups.set(id, { id, prefix, keys: (known?.keys ?? 0) + each.keys });
    }
    for (const key of page.keys) keys.set(blobId(key), key);
  }
  const byName = (one: Content, other: Content) => compare(bytesOf(one), bytesOf(other));
  return {
    groups: [...groups.values()].sort((one, other) => byName(one.prefix, other.prefix)),
    keys: [...keys.values()].sort(byName),
    scanned,
    total: pages.at(-1)?.total_estimate ?? 0,
    omitted,
  };
}

function compare(one: Uint8Array, other: Uint8Array): number {
  const most = Math.min(one.length, other.length);
  for (let at = 0; at < most; at += 1) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** A level of the tree; it counts on by itself up to the budget. */
export function useLevel(databaseId: string, prefix: Content | undefined, separator: string, type: string) {
  const client = useClient();
  const found = useInfiniteQuery({
    queryKey: queryKeys.engine(
      "redis",
      databaseId,
      "namespaces",
      prefix ? blobId(prefix) : "",
      separator,
      type,
    ),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        ...(prefix ? blobQuery("prefix", prefix) : {}),
        separator,
        ...(type ? { type } : {}),
        cursor: pageParam,
      };
      return redisGet(client, databaseId, "namespaces", query, signal);
    },
    getNextPageParam: (page) => page.cursor || undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { data, hasNextPage, isFetching, isError, fetchNextPage } = found;
  const level = useMemo(() => addUp(data?.pages ?? []), [data]);
  const [budget, setBudget] = useState(BUDGET);
  const isBelowBudget = level.scanned < budget;
  useEffect(() => {
    if (hasNextPage && !isFetching && !isError && isBelowBudget) void fetchNextPage();
  }, [hasNextPage, isFetching, isError, isBelowBudget, fetchNextPage]);
  return {
    ...found,
    level,
    /** Counts as much again. */
    more: () => setBudget(level.scanned + BUDGET),
    /** Ends with the page that is under way. */
    stop: () => setBudget(0),
  };
}
