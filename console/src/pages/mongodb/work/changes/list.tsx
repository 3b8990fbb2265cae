import type { ReactNode } from "react";
import { get, type Node } from "@/lib/ejson";
import { moment } from "@/lib/format";
import { Badge, type Column, Grid } from "@/ui";
import { hasContent, line } from "../exact";
import type { Change } from "./read";

const TONES = { insert: "good", update: "info", replace: "info", delete: "bad" } as const;

const COLUMNS: readonly Column<Change>[] = [
  {
    id: "at",
    header: "When",
    width: "12rem",
    cell: ({ data }) => (data.at_unix_ms < 0 ? "–" : moment(data.at_unix_ms)),
  },
  {
    id: "what",
    header: "What",
    width: "8rem",
    cell: ({ data }) => (
      <Badge tone={TONES[data.operation_type as keyof typeof TONES] ?? "warning"}>
        {data.operation_type}
      </Badge>
    ),
  },
  { id: "collection", header: "Collection", width: "minmax(7rem, 7fr)", cell: ({ data }) => data.collection },
  {
    id: "key",
    header: "Document",
    width: "minmax(10rem, 10fr)",
    cell: ({ node }) => <Line node={get(get(node, "document_key"), "_id") ?? get(node, "document_key")} />,
  },
  {
    id: "more",
    header: "Content",
    width: "minmax(16rem, 20fr)",
    cell: ({ node }) => {
      const changed = get(node, "update_description");
      return <Line node={hasContent(changed) ? changed : get(node, "full_document")} />;
    },
  },
];

function Line({ node }: { node: Node | undefined }) {
  return hasContent(node) ? <span className="font-mono text-xs">{line(node)}</span> : null;
}

/** Changes, the newest first. */
export function ChangeList({
  changes,
  selected,
  onSelect,
  empty,
}: {
  changes: readonly Change[];
  selected: string | undefined;
  onSelect: (resume: string) => void;
  empty: ReactNode;
}) {
  return (
    <Grid<Change>
      label="Changes"
      rows={changes}
      columns={COLUMNS}
      rowKey={(change) => change.data.resume}
      selected={selected}
      onSelect={(change) => onSelect(change.data.resume)}
      empty={empty}
    />
  );
}
