/** The pages and their paths. Each area's code comes when its page is opened. */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { type AuditSearch, spanOf } from "@/pages/audit/search";
import { Databases, type DatabasesSearch } from "@/pages/databases";
import { mongoSearch } from "@/pages/mongodb/search";
import type { PostgresSearch } from "@/pages/postgres";
import { redisSearch } from "@/pages/redis/search";
import { basePath } from "./place";
import { NotFound, RouteFailure, Shell } from "./shell";

/** What stands in the address may be anything. */
function text(value: unknown): string | undefined {
  return typeof value === "string" && value ? value : undefined;
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: RouteFailure });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/databases", replace: true });
  },
});
const list = createRoute({
  getParentRoute: () => root,
  path: "/databases",
  component: Databases,
  validateSearch: (given: Record<string, unknown>): DatabasesSearch => ({
    search: text(given.search),
    type: text(given.type) as DatabasesSearch["type"],
    status: text(given.status) as DatabasesSearch["status"],
  }),
});
const detail = createRoute({
  getParentRoute: () => root,
  path: "/databases/$id",
  component: lazyRouteComponent(() => import("@/pages/database"), "DatabasePage"),
  validateSearch: (given: Record<string, unknown>): { tab?: string | undefined } => ({
    tab: text(given.tab),
  }),
});
const redis = createRoute({
  getParentRoute: () => root,
  path: "/databases/$id/redis",
  component: lazyRouteComponent(() => import("@/pages/redis"), "RedisPage"),
  validateSearch: redisSearch,
});
const mongodb = createRoute({
  getParentRoute: () => root,
  path: "/databases/$id/mongodb",
  component: lazyRouteComponent(() => import("@/pages/mongodb"), "MongoPage"),
  validateSearch: mongoSearch,
});
const bun = createRoute({
  getParentRoute: () => root,
  path: "/databases/$id/bun",
  component: lazyRouteComponent(() => import("@/pages/bun"), "BunPage"),
  validateSearch: (
    given: Record<string, unknown>,
  ): { view?: string | undefined; route?: string | undefined } => ({
    view: text(given.view),
    route: text(given.route),
  }),
});
const postgres = createRoute({
  getParentRoute: () => root,
  path: "/databases/$id/postgres",
  component: lazyRouteComponent(() => import("@/pages/postgres"), "PostgresPage"),
  validateSearch: (given: Record<string, unknown>): PostgresSearch => ({
    view: text(given.view),
    schema: text(given.schema),
    table: typeof given.table === "number" ? given.table : undefined,
  }),
});
const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  component: lazyRouteComponent(() => import("@/pages/audit"), "AuditPage"),
  validateSearch: (given: Record<string, unknown>): AuditSearch => ({
    last: spanOf(given.last),
    actor: text(given.actor),
    action: text(given.action),
    target: text(given.target),
    effect: text(given.effect) as AuditSearch["effect"],
    outcome: text(given.outcome) as AuditSearch["outcome"],
  }),
});
const keys = createRoute({
  getParentRoute: () => root,
  path: "/api-keys",
  component: lazyRouteComponent(() => import("@/pages/api-keys"), "ApiKeysPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([home, list, detail, redis, mongodb, bun, postgres, audit, keys]),
  basepath: basePath,
  defaultPreload: "intent",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
