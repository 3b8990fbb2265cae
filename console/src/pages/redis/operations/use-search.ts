import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { RedisSearch } from "../search";

/** What of the page stands in its address, and a way to change it. */
export function useRedisSearch(): readonly [RedisSearch, (change: RedisSearch, replace?: boolean) => void] {
  const search: RedisSearch = getRouteApi("/databases/$id/redis").useSearch();
  const navigate = useNavigate({ from: "/databases/$id/redis" });
  return [
    search,
    (change, replace = true) => {
      void navigate({ search: (before) => ({ ...before, ...change }), replace });
    },
  ];
}
