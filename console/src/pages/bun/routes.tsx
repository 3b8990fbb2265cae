import {
  type BunRoute,
  bunRouteName,
  useBunRoutes,
  useMay,
  useRefreshBunRoutes,
} from "@studio-databases/client/react";
import { clsx } from "clsx";
import { RefreshCw } from "lucide-react";
import { useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { Button, Empty, Failure, IconButton, Input, Loading } from "@/ui";
import { Method } from "./method";

/** The routes that the API's document lists; choosing one fills the request. */
export function Routes({
  databaseId,
  chosen,
  onChoose,
}: {
  databaseId: string;
  chosen: BunRoute | undefined;
  onChoose: (route: BunRoute) => void;
}) {
  const [search, setSearch] = useState("");
  const found = useBunRoutes(databaseId, useDebounced(search));
  const refresh = useRefreshBunRoutes(databaseId);
  const may = useMay(databaseId);
  const current = chosen && bunRouteName(chosen);
  const routes = found.data?.pages.flatMap((page) => page.routes) ?? [];
  return (
    <aside aria-label="Routes" className="flex w-72 shrink-0 flex-col border-r">
      <div className="flex items-center gap-1 border-b p-2">
        <Input
          type="search"
          aria-label="Search routes"
          placeholder="Search routes"
          className="!h-8"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        {may("bun.route.refresh") ? (
          <IconButton
            label="Read the API's document anew"
            loading={refresh.isPending}
            onClick={() => refresh.mutate()}
          >
            <RefreshCw size={14} aria-hidden />
          </IconButton>
        ) : null}
      </div>
      <div className="min-h-0 flex-1 overflow-y-auto">
        {found.isPending ? <Loading>Reading the routes…</Loading> : null}
        {found.isError ? (
          <Failure className="m-2" error={found.error} onRetry={() => found.refetch()} />
        ) : null}
        {found.isSuccess && routes.length === 0 ? <Empty title="No route matches." /> : null}
        <ul>
          {routes.map((route) => (
            <li key={bunRouteName(route)}>
              <button
                type="button"
                aria-current={bunRouteName(route) === current ? "true" : undefined}
                onClick={() => onChoose(route)}
                title={route.summary || route.path}
                className={clsx(
                  "flex w-full items-baseline gap-2 px-3 py-1.5 text-left hover:bg-surface-200",
                  bunRouteName(route) === current && "bg-surface-300",
                )}
              >
                <Method method={route.method} />
                <span className="min-w-0 flex-1">
                  <span
                    className={clsx("block truncate font-mono text-xs", route.deprecated && "line-through")}
                  >
                    {route.path}
                  </span>
                  {route.summary ? (
                    <span className="block truncate text-xs text-text-muted">{route.summary}</span>
                  ) : null}
                </span>
              </button>
            </li>
          ))}
        </ul>
        {found.hasNextPage ? (
          <Button
            kind="text"
            className="m-2"
            loading={found.isFetchingNextPage}
            onClick={() => found.fetchNextPage()}
          >
            More routes
          </Button>
        ) : null}
      </div>
    </aside>
  );
}
