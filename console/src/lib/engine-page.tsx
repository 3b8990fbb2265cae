/** What the pages of all engines have at the top: which database, its marks, and what of it is shown. */

import { type Database, useDatabase } from "@studio-databases/client/react";
import { Link } from "@tanstack/react-router";
import { clsx } from "clsx";
import { TriangleAlert } from "lucide-react";
import { type ReactNode, useEffect, useRef } from "react";
import { Badge, Failure, Loading } from "@/ui";
import { engineOf, isMarked } from "./engines";

export interface View {
  value: string;
  label: string;
}

export function EnginePage({
  id,
  views,
  view,
  onView,
  children,
}: {
  id: string;
  views: readonly View[];
  view: string;
  onView: (view: string) => void;
  /** What is shown, once the database is known. */
  children: (database: Database) => ReactNode;
}) {
  const found = useDatabase(id);
  if (found.isPending) return <Loading>Loading the database…</Loading>;
  if (found.isError) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  const database = found.data;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <header className="flex h-11 shrink-0 items-center gap-3 border-b px-4">
        <Link to="/databases/$id" params={{ id }} className="flex min-w-0 items-center gap-2 hover:underline">
          <span className="text-brand-text">{engineOf(database).icon}</span>
          <h1 className="truncate text-sm font-medium">{database.name}</h1>
        </Link>
        {isMarked(database, "production") ? (
          <Badge tone="warning" className="gap-1">
            <TriangleAlert size={11} aria-hidden />
            production
          </Badge>
        ) : null}
        {isMarked(database, "readonly") ? <Badge>read-only</Badge> : null}
        <Views views={views} view={view} onView={onView} />
      </header>
      {children(database)}
    </div>
  );
}

/** The views; where there is no room for all, the chosen one is scrolled into sight. */
function Views({
  views,
  view,
  onView,
}: {
  views: readonly View[];
  view: string;
  onView: (view: string) => void;
}) {
  const nav = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is chosen stands in the page, not in a value
  useEffect(() => {
    nav.current?.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  }, [view, views.length]);
  return (
    <nav
      ref={nav}
      aria-label="Views"
      className="ml-3 flex h-full min-w-0 flex-1 items-stretch gap-4 overflow-x-auto [scrollbar-width:thin]"
    >
      {views.map((each) => (
        <button
          key={each.value}
          type="button"
          aria-current={each.value === view ? "page" : undefined}
          onClick={() => onView(each.value)}
          className={clsx(
            "scroll-mx-6 border-b-2 text-sm whitespace-nowrap hover:text-text",
            each.value === view ? "border-text text-text" : "border-transparent text-text-light",
          )}
        >
          {each.label}
        </button>
      ))}
    </nav>
  );
}
