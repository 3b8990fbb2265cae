/** Events of the audit log: newest first, more as one scrolls, all of one in a panel. */

import { type AuditEvent, type AuditFilters, useAuditEvents } from "@studio-databases/client/react";
import { useState } from "react";
import { ago, duration, moment } from "@/lib/format";
import { Badge, type Column, Empty, Facts, Failure, Grid, Loading, SidePanel } from "@/ui";

const TONES = { ok: "good", denied: "warning", failed: "bad", unknown: "info" } as const;

function Outcome({ event }: { event: AuditEvent }) {
  return (
    <Badge tone={TONES[event.outcome as keyof typeof TONES] ?? "neutral"}>
      {event.outcome}
      {event.reason ? ` · ${event.reason}` : ""}
    </Badge>
  );
}

/** `collection orders, key user:1` */
function targetOf(event: AuditEvent): string {
  return Object.entries(event.target ?? {})
    .map(([kind, name]) => `${kind} ${name}`)
    .join(", ");
}

const COLUMNS: readonly Column<AuditEvent>[] = [
  {
    id: "at",
    header: "When",
    width: "9rem",
    cell: (event) => <span title={event.at ? moment(event.at) : ""}>{event.at ? ago(event.at) : "–"}</span>,
  },
  { id: "actor", header: "Who", width: "minmax(10rem, 1fr)", cell: (event) => event.actor || "nobody known" },
  {
    id: "action",
    header: "Action",
    width: "15rem",
    cell: (event) => <code className="font-mono text-xs">{event.action}</code>,
  },
  {
    id: "database",
    header: "Database",
    width: "minmax(9rem, 1fr)",
    cell: (event) => event.database_name || "–",
  },
  {
    id: "target",
    header: "Target",
    width: "minmax(12rem, 2fr)",
    cell: (event) => <span className="text-text-light">{targetOf(event)}</span>,
  },
  { id: "outcome", header: "Outcome", width: "11rem", cell: (event) => <Outcome event={event} /> },
];

/** The events that match. */
export function AuditList({ databaseId, filters }: { databaseId?: string; filters: AuditFilters }) {
  const found = useAuditEvents(filters, databaseId);
  const [chosen, setChosen] = useState<AuditEvent>();
  const rows = found.data?.pages.flatMap((page) => page.events) ?? [];
  const columns = databaseId ? COLUMNS.filter((column) => column.id !== "database") : COLUMNS;
  if (found.isPending) return <Loading>Loading events…</Loading>;
  if (found.isError) return <Failure className="m-5" error={found.error} onRetry={() => found.refetch()} />;
  return (
    <div className="flex h-full min-h-0 flex-col">
      <Grid<AuditEvent>
        label="Audit log"
        rows={rows}
        columns={columns}
        rowKey={(event) => event.sequence}
        selected={chosen?.sequence}
        onSelect={setChosen}
        onEnd={() => {
          if (found.hasNextPage && !found.isFetchingNextPage) found.fetchNextPage();
        }}
        empty={<Empty title="No event matches." />}
      />
      <SidePanel
        open={chosen !== undefined}
        onOpenChange={() => setChosen(undefined)}
        title={<code className="font-mono">{chosen?.action}</code>}
        description={chosen?.at ? moment(chosen.at) : undefined}
      >
        {chosen ? <Details event={chosen} /> : null}
      </SidePanel>
    </div>
  );
}

function Details({ event }: { event: AuditEvent }) {
  const rows: readonly (readonly [string, string])[] = [
    ["Outcome", event.reason ? `${event.outcome}: ${event.reason}` : event.outcome],
    ["Who", event.actor],
    ["Known by", [event.credential, event.credential_id].filter(Boolean).join(" ")],
    ["Role", event.role || "none"],
    ["From", event.client_address],
    ["Database", [event.database_name, event.database_id].filter(Boolean).join(" ")],
    ["Project", event.project_ref],
    ...Object.entries(event.target ?? {}),
    ["Took", duration(event.duration_ms)],
    ["Effect", event.effect],
    ["Request", event.request_id],
    ["Service", event.service],
    ["Place in the log", event.sequence],
  ];
  return <Facts facts={rows} className="grid-cols-[9rem_1fr] gap-y-2 text-sm" />;
}
