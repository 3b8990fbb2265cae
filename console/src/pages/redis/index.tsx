/** Redis: its keys and their values, and beside them what `operations/` adds. */

import { useMay } from "@studio-databases/client/react";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Suspense } from "react";
import { EnginePage } from "@/lib/engine-page";
import { Loading } from "@/ui";
import { Browser } from "./browser";
import { RedisProvider } from "./context";
import { OPERATIONS } from "./operations";
import type { RedisSearch } from "./search";

const BROWSER = { value: "browser", label: "Browser" };

export function RedisPage() {
  const route = getRouteApi("/databases/$id/redis");
  const { id } = route.useParams();
  const search: RedisSearch = route.useSearch();
  const navigate = useNavigate({ from: "/databases/$id/redis" });
  const { view = "browser" } = search;
  const may = useMay(id);
  const operations = OPERATIONS.filter((each) => may(each.needs));
  const Operation = operations.find((each) => each.value === view)?.component;
  return (
    <EnginePage
      id={id}
      views={[BROWSER, ...operations]}
      view={view}
      onView={(next) => navigate({ search: (before) => ({ ...before, view: next }) })}
    >
      {(database) => (
        <RedisProvider key={id} database={database}>
          <Suspense fallback={<Loading />}>
            {Operation ? (
              <Operation database={database} />
            ) : (
              <Browser
                search={search}
                onSearch={(change, replace = false) =>
                  navigate({ search: (before) => ({ ...before, ...change }), replace })
                }
              />
            )}
          </Suspense>
        </RedisProvider>
      )}
    </EnginePage>
  );
}
