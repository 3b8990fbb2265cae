import { type MongoLogLine, useMongoServerLog } from "@studio-databases/client/react";
import { type ReactNode, useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { count, moment } from "@/lib/format";
import { layOut } from "@/lib/json";
import { Asked, Badge, Checkbox, type Column, Empty, Grid, Input, Reload, SidePanel } from "@/ui";
import { Toolbar } from "../parts";

/** What the letters of severities stand for; those of debugging have none. */
const SEVERITIES: Record<string, ReactNode> = {
  F: <Badge tone="bad">fatal</Badge>,
  E: <Badge tone="bad">error</Badge>,
  W: <Badge tone="warning">warning</Badge>,
  I: "info",
};

const COLUMNS: readonly Column<MongoLogLine>[] = [
  { id: "at", header: "When", width: "12rem", cell: ({ at_unix_ms: at }) => (at < 0 ? "–" : moment(at)) },
  {
    id: "severity",
    header: "Severity",
    width: "6rem",
    cell: ({ severity }) => SEVERITIES[severity] ?? severity,
  },
  { id: "component", header: "Part", width: "8rem", cell: ({ component }) => component || "–" },
  { id: "message", header: "What happened", width: "minmax(14rem, 14fr)", cell: ({ message }) => message },
  {
    id: "attributes",
    header: "More",
    width: "minmax(16rem, 20fr)",
    cell: ({ attributes }) => <span className="font-mono text-xs">{attributes}</span>,
  },
];

/** The lines of its log that the server still has in memory. */
export function Log({ databaseId, parts }: { databaseId: string; parts: ReactNode }) {
  const [search, setSearch] = useState("");
  const [warnings, setWarnings] = useState(false);
  const [opened, setOpened] = useState<MongoLogLine>();
  const found = useMongoServerLog(databaseId, warnings ? "startupWarnings" : "global", useDebounced(search));
  const lines = found.data?.lines ?? [];
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        {parts}
        <Input
          type="search"
          aria-label="Lines that contain"
          placeholder="Lines that contain"
          className="!h-7 !w-56 !text-xs"
          maxLength={256}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <Checkbox
          className="!text-xs"
          label="Warnings at its start"
          checked={warnings}
          onChange={(event) => setWarnings(event.target.checked)}
        />
        <div className="flex-1" />
        <Reload of={found} />
      </Toolbar>
      <Asked of={found}>Asking the server…</Asked>
      {found.data ? (
        <>
          <Grid<MongoLogLine>
            label="Log"
            rows={lines}
            columns={COLUMNS}
            rowKey={(_, index) => String(index)}
            onSelect={setOpened}
            empty={<Empty title={search ? "No line contains this." : "The log has no lines."} />}
          />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            {count(lines.length)} {lines.length === 1 ? "line" : "lines"} of those that the server has in
            memory, the newest first; secrets are masked
          </p>
        </>
      ) : null}
      {opened ? <Line line={opened} onClose={() => setOpened(undefined)} /> : null}
    </div>
  );
}

function Line({ line, onClose }: { line: MongoLogLine; onClose: () => void }) {
  const where = [line.component, line.context].filter(Boolean).join(" · ");
  return (
    <SidePanel
      open
      onOpenChange={onClose}
      title={line.message}
      description={[line.at_unix_ms < 0 ? "" : moment(line.at_unix_ms), where].filter(Boolean).join(" · ")}
    >
      <pre className="font-mono text-xs leading-5 break-words whitespace-pre-wrap">
        {layOut(line.attributes) || "The line says no more."}
      </pre>
    </SidePanel>
  );
}
