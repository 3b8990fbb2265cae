/** Bun APIs: their routes, their health, the calls made through this system. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

type Schemas = components["schemas"];
export type BunRoute = Schemas["BunRoute"];
export type BunParameter = Schemas["BunParameter"];
export type BunCall = Schemas["BunCall"];
export type BunCallStats = Schemas["BunCallStats"];
export type BunHealth = Schemas["BunGetHealthResponse"];

const ROUTES_A_PAGE = 500;
const LONGEST_SEARCH = 256;
const HEALTH_EVERY_MS = 15_000;
const CALLS_EVERY_MS = 5_000;

/** The routes of the API's OpenAPI document. */
export function useBunRoutes(databaseId: string, search = "") {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keys.engine("bun", databaseId, "routes", search),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = { search, page_size: ROUTES_A_PAGE, page_token: pageParam };
      const params = { path: { database_id: databaseId }, query };
      return data(client.GET("/api/platform/bun/{database_id}/routes", { params, signal }));
    },
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}

/** The route of that name, such as `GET /orders`; null where the API's document has none. `known` is not asked for. */
export function useBunRoute(databaseId: string, name: string, known?: BunRoute) {
  const client = useClient();
  return useQuery<BunRoute | null>({
    enabled: name !== "",
    initialData: known && bunRouteName(known) === name ? known : undefined,
    queryKey: keys.engine("bun", databaseId, "routes", "named", name),
    queryFn: async ({ signal }) => {
      const path = name.slice(name.indexOf(" ") + 1);
      const query = { search: path.slice(0, LONGEST_SEARCH), page_size: ROUTES_A_PAGE };
      const params = { path: { database_id: databaseId }, query };
      const page = await data(client.GET("/api/platform/bun/{database_id}/routes", { params, signal }));
      return page.routes.find((each) => bunRouteName(each) === name) ?? null;
    },
  });
}

/** What a route is called, in an address for example: `GET /orders`. */
export function bunRouteName({ method, path }: Pick<BunRoute, "method" | "path">): string {
  return `${method} ${path}`;
}

/** Asks the API for its document anew. */
export function useRefreshBunRoutes(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => {
      const params = { path: { database_id: databaseId } };
      return data(client.POST("/api/platform/bun/{database_id}/routes/refresh", { params, body: {} }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.engine("bun", databaseId, "routes") }),
  });
}

/** How the API is. */
export function useBunHealth(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("bun", databaseId, "health"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/bun/{database_id}/health", { params, signal }));
    },
    refetchInterval: HEALTH_EVERY_MS,
  });
}

/** What the API is. */
export function useBunInfo(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("bun", databaseId, "info"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId } };
      return data(client.GET("/api/platform/bun/{database_id}/info", { params, signal }));
    },
  });
}

/** The last calls, and figures about them. */
export function useBunCalls(databaseId: string) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("bun", databaseId, "calls"),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { page_size: 200 } };
      return data(client.GET("/api/platform/bun/{database_id}/calls", { params, signal }));
    },
    refetchInterval: CALLS_EVERY_MS,
  });
}
