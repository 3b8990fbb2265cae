/** Events of the audit log: newest first, more as one scrolls, all of one in a panel. */

import { type AuditEvent, type AuditFilters, useAuditEvents } from "@studio-databases/client/react";
import { useState } from "react";
import { ago, count, duration, moment } from "@/lib/format";
import { Badge, type Column, Empty, Facts, Failure, Grid, Loading, SidePanel } from "@/ui";

const TONES = {
  ok: "good",
  denied: "warning",
  failed: "bad",
  cancelled: "neutral",
  unknown: "info",
} as const;

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
    width: "7rem",
    cell: (event) => <span title={event.at ? moment(event.at) : ""}>{event.at ? ago(event.at) : "–"}</span>,
  },
  { id: "actor", header: "Who", width: "minmax(9rem, 1fr)", cell: (event) => event.actor || "nobody known" },
  {
    id: "action",
    header: "Action",
    width: "15rem",
    cell: (event) => <code className="font-mono text-xs">{event.action}</code>,
  },
  {
    id: "database",
    header: "Database",
    width: "minmax(8rem, 1fr)",
    cell: (event) => event.database_name || "–",
  },
  {
    id: "target",
    header: "Target",
    width: "minmax(6rem, 1.5fr)",
    cell: (event) => <span className="text-text-light">{targetOf(event)}</span>,
  },
  {
    id: "outcome",
    header: "Outcome",
    width: "minmax(6rem, 1fr)",
    cell: (event) => <Outcome event={event} />,
  },
];

/** The events that match. */
export function AuditList({ databaseId, filters }: { databaseId?: string; filters: AuditFilters }) {
  const found = useAuditEvents(filters, databaseId);
  const [selected, setSelected] = useState<string>();
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
        selected={selected}
        onSelect={(event) => setSelected(event.sequence)}
        onOpen={setChosen}
        opensOnClick
        onEnd={() => {
          if (found.hasNextPage && !found.isFetchingNextPage) found.fetchNextPage();
        }}
        empty={<Empty title="No event matches.">Fewer filters show more.</Empty>}
        footer={
          rows.length > 0 ? (
            <p className="px-3 py-2 text-xs text-text-muted">
              {count(rows.length)} {rows.length === 1 ? "event" : "events"}
              {found.hasNextPage ? " so far; more come as you scroll" : ""}
            </p>
          ) : null
        }
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
