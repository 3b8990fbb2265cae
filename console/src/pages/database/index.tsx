/** One registered database: how it is, how it is set up, who may use it, what was done with it. */

import { type Database, useDatabase, useMay, useTestDatabase } from "@studio-databases/client/react";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ArrowRight, TriangleAlert } from "lucide-react";
import { DiagnosisView } from "@/lib/diagnosis";
import { type EngineType, engineOf, isMarked } from "@/lib/engines";
import { TestButton } from "@/lib/test-button";
import { AuditList } from "@/pages/audit/list";
import { Status } from "@/pages/databases/columns";
import { Badge, Button, Failure, Loading, type Tab, Tabs } from "@/ui";
import { Access } from "./access";
import { Overview } from "./overview";
import { Settings } from "./settings";

export function DatabasePage() {
  const route = getRouteApi("/databases/$id");
  const { id } = route.useParams();
  const { tab } = route.useSearch();
  const navigate = useNavigate({ from: "/databases/$id" });
  const may = useMay(id);
  const found = useDatabase(id);

  if (found.isPending) return <Loading>Loading the database…</Loading>;
  if (found.isError) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  const database = found.data;
  const tabs: Tab[] = [{ value: "overview", label: "Overview", content: <Overview database={database} /> }];
  if (may("registry.database.update") && database.source !== "environment") {
    tabs.push({ value: "settings", label: "Settings", content: <Settings database={database} /> });
  }
  if (may("registry.grant.list")) {
    tabs.push({ value: "access", label: "Access", content: <Access database={database} /> });
  }
  if (may("registry.database.audit")) {
    tabs.push({ value: "audit", label: "Audit", content: <AuditList databaseId={id} filters={{}} /> });
  }
  const shown = tabs.some((each) => each.value === tab) ? (tab ?? "overview") : "overview";

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Header database={database} />
      <Tabs
        label="About this database"
        className="flex-1"
        tabs={tabs}
        value={shown}
        onChange={(value) =>
          navigate({ search: { tab: value === "overview" ? undefined : value }, replace: true })
        }
      />
    </div>
  );
}

function Header({ database }: { database: Database }) {
  const engine = engineOf(database);
  const may = useMay(database.id);
  const test = useTestDatabase(database.id);
  return (
    <header className="flex flex-col gap-3 px-5 pt-4 pb-2">
      <nav aria-label="Breadcrumb" className="text-xs text-text-light">
        <Link to="/databases" className="hover:underline">
          Databases
        </Link>
        <span aria-hidden> / </span>
        <span>{database.name}</span>
      </nav>
      <div className="flex flex-wrap items-center gap-2.5">
        <span className="text-brand-text">{engine.icon}</span>
        <h1 className="text-lg font-medium">{database.name}</h1>
        <Status database={database} />
        <Badge>{engine.name}</Badge>
        {isMarked(database, "readonly") ? <Badge>read-only</Badge> : null}
        {database.source === "environment" ? <Badge tone="info">environment</Badge> : null}
        <div className="flex-1" />
        {may("registry.database.test") ? (
          <TestButton test={test} onTest={(signal) => test.mutate({ signal })} />
        ) : null}
        <Link to={`/databases/$id/${engine.page}`} params={{ id: database.id }}>
          <Button kind="primary" tabIndex={-1} icon={<ArrowRight size={14} aria-hidden />}>
            {engine.open}
          </Button>
        </Link>
      </div>
      {database.description ? <p className="text-sm text-text-light">{database.description}</p> : null}
      {isMarked(database, "production") ? (
        <p className="flex items-center gap-2 rounded-md border border-warning bg-warning-surface px-3 py-2 text-sm text-warning">
          <TriangleAlert size={15} aria-hidden />
          This is a production database. Dangerous work asks for a confirmation, whoever does it.
        </p>
      ) : null}
      {database.hint ? <p className="text-sm text-text-light">{database.hint}</p> : null}
      {test.data ? <DiagnosisView type={database.type as EngineType} diagnosis={test.data} /> : null}
      {test.error ? <Failure error={test.error} /> : null}
    </header>
  );
}
