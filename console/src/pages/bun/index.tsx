/** A Bun API: send requests, look at the last calls, see how it is. */

import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { EnginePage } from "@/lib/engine-page";
import { Calls } from "./calls";
import { Health } from "./health";
import { Requests } from "./requests";

const VIEWS = [
  { value: "requests", label: "Requests" },
  { value: "calls", label: "Recent calls" },
  { value: "health", label: "Health" },
];

export function BunPage() {
  const route = getRouteApi("/databases/$id/bun");
  const { id } = route.useParams();
  const { view = "requests", route: chosen = "" } = route.useSearch();
  const navigate = useNavigate({ from: "/databases/$id/bun" });
  return (
    <EnginePage
      id={id}
      views={VIEWS}
      view={view}
      onView={(next) => navigate({ search: { view: next, route: chosen || undefined } })}
    >
      {(database) => {
        if (view === "calls") return <Calls databaseId={id} />;
        if (view === "health") return <Health databaseId={id} />;
        return (
          <Requests
            key={id}
            database={database}
            chosen={chosen}
            onChoose={(next) => navigate({ search: { view, route: next } })}
          />
        );
      }}
    </EnginePage>
  );
}
