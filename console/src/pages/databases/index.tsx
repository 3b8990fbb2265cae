/** The registered databases. What is looked for stands in the address, so that a list can be shared and come back to. */

import { type Database, type DatabaseFilters, useDatabases, useMay } from "@studio-databases/client/react";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Plus, Search } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { projectRef } from "@/app/place";
import { useDebounced } from "@/lib/debounce";
import { ENGINES } from "@/lib/engines";
import { count } from "@/lib/format";
import { Button, Empty, Failure, Grid, Input, Loading, Select } from "@/ui";
import { columns } from "./columns";

const AddDatabase = lazy(() => import("./add").then((module) => ({ default: module.AddDatabase })));

export interface DatabasesSearch {
  search?: string | undefined;
  type?: DatabaseFilters["type"] | undefined;
  status?: DatabaseFilters["status"] | undefined;
}

export function Databases() {
  const route = getRouteApi("/databases");
  const wanted: DatabasesSearch = route.useSearch();
  const navigate = useNavigate({ from: "/databases" });
  const may = useMay();
  const [adding, setAdding] = useState(false);
  const [selected, setSelected] = useState<string>();
  const filters = useDebounced({ project_ref: projectRef, ...wanted });
  const found = useDatabases(filters);
  const rows = found.data?.pages.flatMap((page) => page.databases) ?? [];
  const narrowed = Boolean(wanted.search || wanted.type || wanted.status);

  function narrow(more: DatabasesSearch) {
    navigate({ search: (before) => ({ ...before, ...more }), replace: true });
  }

  const add = may("registry.database.create") ? (
    <Button kind="primary" icon={<Plus size={14} aria-hidden />} onClick={() => setAdding(true)}>
      Add database
    </Button>
  ) : null;

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b px-3 py-2.5">
        <h1 className="sr-only">Databases</h1>
        <div className="relative w-64">
          <Search
            size={14}
            className="pointer-events-none absolute top-2.5 left-2.5 text-text-muted"
            aria-hidden
          />
          <Input
            type="search"
            aria-label="Search by name, description or host"
            placeholder="Search name, description, host"
            className="pl-8"
            value={wanted.search ?? ""}
            onChange={(event) => narrow({ search: event.target.value || undefined })}
          />
        </div>
        <Select
          aria-label="Type"
          className="!w-36"
          value={wanted.type ?? ""}
          onChange={(event) => narrow({ type: (event.target.value || undefined) as DatabasesSearch["type"] })}
        >
          <option value="">All types</option>
          {Object.entries(ENGINES).map(([type, engine]) => (
            <option key={type} value={type}>
              {engine.name}
            </option>
          ))}
        </Select>
        <Select
          aria-label="Status"
          className="!w-32"
          value={wanted.status ?? ""}
          onChange={(event) =>
            narrow({ status: (event.target.value || undefined) as DatabasesSearch["status"] })
          }
        >
          <option value="">Any status</option>
          <option value="active">active</option>
          <option value="inactive">inactive</option>
          <option value="error">error</option>
        </Select>
        <div className="flex-1" />
        {add}
      </div>
      {found.isError ? <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} /> : null}
      {found.isPending ? <Loading>Loading databases…</Loading> : null}
      {found.isSuccess ? (
        <Grid<Database>
          label="Databases"
          rows={rows}
          columns={columns}
          rowKey={(database) => database.id}
          rowHeight={42}
          selected={selected}
          onSelect={(database) => setSelected(database.id)}
          onOpen={(database) => navigate({ to: "/databases/$id", params: { id: database.id } })}
          onEnd={() => {
            if (found.hasNextPage && !found.isFetchingNextPage) found.fetchNextPage();
          }}
          empty={
            narrowed ? (
              <Empty
                title="No database matches."
                action={
                  <Button onClick={() => narrow({ search: undefined, type: undefined, status: undefined })}>
                    Show all
                  </Button>
                }
              />
            ) : (
              <Empty title="No databases yet." action={add}>
                {add
                  ? "Register a Redis, MongoDB, PostgreSQL or Bun API; its password is stored encrypted."
                  : "Nobody has registered one that you may see."}
              </Empty>
            )
          }
          footer={
            rows.length > 0 ? (
              <p className="px-3 py-2 text-xs text-text-muted">
                {count(rows.length)} {rows.length === 1 ? "database" : "databases"}
                {found.hasNextPage ? " so far; more come as you scroll" : ""}
              </p>
            ) : null
          }
        />
      ) : null}
      <Suspense>{adding ? <AddDatabase open onOpenChange={setAdding} /> : null}</Suspense>
    </div>
  );
}
