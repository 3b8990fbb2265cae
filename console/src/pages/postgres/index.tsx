/** PostgreSQL, enough to look around: tables and their rows, and SQL. Studio does the rest. */

import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { EnginePage } from "@/lib/engine-page";
import { Sql } from "./sql";
import { Tables } from "./tables";

const VIEWS = [
  { value: "tables", label: "Tables" },
  { value: "sql", label: "SQL" },
];

export interface PostgresSearch {
  view?: string | undefined;
  schema?: string | undefined;
  table?: number | undefined;
}

export function PostgresPage() {
  const route = getRouteApi("/databases/$id/postgres");
  const { id } = route.useParams();
  const search: PostgresSearch = route.useSearch();
  const navigate = useNavigate({ from: "/databases/$id/postgres" });
  const { view = "tables", schema = "public", table } = search;
  return (
    <EnginePage
      id={id}
      views={VIEWS}
      view={view}
      onView={(next) => navigate({ search: (before) => ({ ...before, view: next }) })}
    >
      {() =>
        view === "sql" ? (
          <Sql key={id} databaseId={id} />
        ) : (
          <Tables
            databaseId={id}
            schema={schema}
            table={table}
            onChoose={(chosen) => navigate({ search: { view, ...chosen } })}
          />
        )
      }
    </EnginePage>
  );
}
