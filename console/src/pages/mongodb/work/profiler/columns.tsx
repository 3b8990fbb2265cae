import type { MongoProfilerEntry } from "@studio-databases/client/react";
import { ago, count, duration, moment } from "@/lib/format";
import { Badge, type Column } from "@/ui";

const amount = (value: number) => (value < 0 ? "–" : count(value));

export const COLUMNS: readonly Column<MongoProfilerEntry>[] = [
  {
    id: "when",
    header: "When",
    width: "7.5rem",
    cell: (each) => <span title={moment(each.at_unix_ms)}>{ago(each.at_unix_ms)}</span>,
  },
  {
    id: "took",
    header: "Took",
    width: "6rem",
    align: "right",
    cell: (each) => (each.ms < 0 ? "–" : duration(each.ms)),
  },
  { id: "operation", header: "Kind", width: "6.5rem", cell: (each) => each.operation },
  {
    id: "namespace",
    header: "Collection",
    width: "minmax(9rem, 9fr)",
    cell: (each) => <span title={each.namespace}>{each.namespace}</span>,
  },
  {
    id: "plan",
    header: "Plan",
    width: "minmax(8rem, 8fr)",
    cell: (each) => (
      <span className="flex items-center gap-1.5">
        <span className={each.plan_summary.startsWith("COLLSCAN") ? "text-warning" : ""}>
          {each.plan_summary}
        </span>
        {each.sorted_in_memory ? <Badge tone="warning">sorted in memory</Badge> : null}
        {each.error ? <Badge tone="bad">failed</Badge> : null}
      </span>
    ),
  },
  {
    id: "examined",
    header: "Read",
    width: "6.5rem",
    align: "right",
    cell: (each) => amount(each.documents_examined),
  },
  {
    id: "returned",
    header: "Returned",
    width: "6.5rem",
    align: "right",
    cell: (each) => amount(each.returned),
  },
  {
    id: "command",
    header: "Command",
    width: "minmax(14rem, 14fr)",
    cell: (each) => <span className="font-mono text-xs">{each.command}</span>,
  },
];
