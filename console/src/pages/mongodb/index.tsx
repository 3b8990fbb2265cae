/** MongoDB: its databases and collections beside what is done with the chosen one. */

import { useMay, useMongoDatabases } from "@studio-databases/client/react";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Suspense } from "react";
import { EnginePage } from "@/lib/engine-page";
import { Failure, Loading } from "@/ui";
import { Documents } from "./documents";
import type { MongoSearch } from "./search";
import { Tree } from "./tree";
import { WORK } from "./work";

const DOCUMENTS = { value: "documents", label: "Documents" };

export function MongoPage() {
  const route = getRouteApi("/databases/$id/mongodb");
  const { id } = route.useParams();
  const search: MongoSearch = route.useSearch();
  const navigate = useNavigate({ from: "/databases/$id/mongodb" });
  const view = search.view ?? "documents";
  const may = useMay(id);
  return (
    <EnginePage
      id={id}
      views={[DOCUMENTS, ...WORK.filter(({ needs }) => !needs || may(needs))]}
      view={view}
      onView={(next) =>
        navigate({ search: (before: MongoSearch) => ({ ...before, view: next, part: undefined }) })
      }
    >
      {() => <Explorer key={id} databaseId={id} search={search} view={view} />}
    </EnginePage>
  );
}

function Explorer({ databaseId, search, view }: { databaseId: string; search: MongoSearch; view: string }) {
  const navigate = useNavigate({ from: "/databases/$id/mongodb" });
  const databases = useMongoDatabases(databaseId);
  if (databases.isPending) return <Loading>Asking the server for its databases…</Loading>;
  if (databases.isError) {
    return <Failure className="m-5" error={databases.error} onRetry={() => databases.refetch()} />;
  }
  const databaseName = search.db ?? databases.data.default_database_name;
  const { collection = "" } = search;
  const work = WORK.find((each) => each.value === view);
  return (
    <div className="flex min-h-0 flex-1">
      {work?.ofServer ? null : (
        <Tree
          databaseId={databaseId}
          databases={databases.data.databases}
          chosen={{ databaseName, collection }}
          onChoose={(next) => navigate({ search: { view: search.view, layout: search.layout, ...next } })}
        />
      )}
      <div className="flex min-w-0 flex-1 flex-col">
        {work ? (
          <Suspense fallback={<Loading />}>
            <work.component
              key={`${databaseName}.${collection}`}
              databaseId={databaseId}
              databaseName={databaseName}
              collection={collection}
              part={search.part ?? ""}
              onPart={(part) => navigate({ search: (before: MongoSearch) => ({ ...before, part }) })}
            />
          </Suspense>
        ) : (
          <Documents
            key={`${databaseName}.${collection}`}
            databaseId={databaseId}
            of={{ databaseName, collection }}
            search={search}
          />
        )}
      </div>
    </div>
  );
}
