/** What the server does now, the longest first. */

import {
  type MongoOperation,
  useKillMongoOperation,
  useMay,
  useMongoOperations,
} from "@studio-databases/client/react";
import { Pause, Play } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { count, duration } from "@/lib/format";
import { Asked, Badge, Button, Checkbox, type Column, Confirm, Empty, Grid, Input, toast } from "@/ui";
import { Missing, Parts, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { OperationDetails } from "./details";
import { Sessions } from "./sessions";

const PARTS = [
  ["", "Operations"],
  ["sessions", "Sessions"],
] as const;

const COLUMNS: readonly Column<MongoOperation>[] = [
  {
    id: "time",
    header: "Running",
    width: "7rem",
    align: "right",
    cell: (each) => (each.running_ms < 0 ? "–" : duration(each.running_ms)),
  },
  { id: "operation", header: "Operation", width: "8rem", cell: (each) => each.operation || each.type },
  { id: "namespace", header: "Collection", width: "minmax(9rem, 9fr)", cell: (each) => each.namespace },
  {
    id: "marks",
    header: "State",
    width: "10rem",
    cell: (each) => (
      <span className="flex gap-1">
        {each.waiting_for_lock ? <Badge tone="warning">waits for a lock</Badge> : null}
        {each.kill_pending ? <Badge tone="bad">ending</Badge> : null}
        {each.ours ? <Badge>this console</Badge> : null}
        {each.active ? null : <Badge>idle</Badge>}
      </span>
    ),
  },
  {
    id: "plan",
    header: "Plan",
    width: "minmax(8rem, 8fr)",
    cell: (each) => (
      <span className={each.plan_summary.startsWith("COLLSCAN") ? "text-warning" : ""}>
        {each.plan_summary}
      </span>
    ),
  },
  {
    id: "command",
    header: "Command",
    width: "minmax(16rem, 16fr)",
    cell: (each) => <span className="font-mono text-xs">{each.message || each.command}</span>,
  },
  {
    id: "client",
    header: "Client",
    width: "minmax(8rem, 8fr)",
    cell: (each) => each.app_name || each.client,
  },
];

export function Operations({ databaseId, part, onPart }: WorkProps) {
  const may = useMay(databaseId);
  if (!may("mongodb.server.operations")) {
    return (
      <Empty title="You may not see operations.">
        They show what others do; that takes the role developer on this database.
      </Empty>
    );
  }
  const parts = <Parts label="What the server does" parts={PARTS} chosen={part} onChoose={onPart} />;
  if (part === "sessions") return <Sessions databaseId={databaseId} parts={parts} />;
  return <List databaseId={databaseId} parts={parts} />;
}

function List({ databaseId, parts }: { databaseId: string; parts: ReactNode }) {
  const may = useMay(databaseId);
  const [live, setLive] = useState(true);
  const [filters, setFilters] = useState({ minMs: "", namespace: "", idle: false, system: false });
  const [opened, setOpened] = useState<MongoOperation>();
  const [killing, setKilling] = useState<MongoOperation>();
  const settled = useDebounced(filters);
  const found = useMongoOperations(databaseId, { ...settled, minMs: Number(settled.minMs) || 0 }, live);
  const kill = useKillMongoOperation(databaseId);

  const operations = found.data?.operations ?? [];
  const current = opened && (operations.find((each) => each.opid === opened.opid) ?? opened);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        {parts}
        <Input
          aria-label="Database or collection"
          className="!h-7 !w-48 !text-xs"
          placeholder="shop, or shop.orders"
          value={filters.namespace}
          onChange={(event) => setFilters({ ...filters, namespace: event.target.value.trim() })}
        />
        <label htmlFor="operations-min" className="flex items-center gap-2 text-xs text-text-light">
          Running for at least
          <Input
            id="operations-min"
            className="!h-7 !w-20 !text-xs"
            inputMode="numeric"
            placeholder="0"
            value={filters.minMs}
            onChange={(event) =>
              setFilters({ ...filters, minMs: event.target.value.replaceAll(/\D/g, "").slice(0, 9) })
            }
          />
          ms
        </label>
        <Checkbox
          className="!text-xs"
          label="Idle"
          checked={filters.idle}
          onChange={(event) => setFilters({ ...filters, idle: event.target.checked })}
        />
        <Checkbox
          className="!text-xs"
          label="The system's own"
          checked={filters.system}
          onChange={(event) => setFilters({ ...filters, system: event.target.checked })}
        />
        <div className="flex-1" />
        <Button
          icon={live ? <Pause size={13} aria-hidden /> : <Play size={13} aria-hidden />}
          onClick={() => setLive(!live)}
        >
          {live ? "Pause" : "Go on"}
        </Button>
      </Toolbar>
      <Asked of={found}>Asking the server…</Asked>
      {found.data ? (
        <>
          <Grid<MongoOperation>
            label="Operations"
            rows={operations}
            columns={COLUMNS}
            rowKey={(each, index) => each.opid || `${each.description} ${index}`}
            selected={opened?.opid}
            onSelect={setOpened}
            empty={<Empty title="Nothing runs now that these filters let through." />}
          />
          <Missing of={found.data.unavailable} />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            {found.data.has_more
              ? `The ${count(operations.length)} longest operations`
              : `${count(operations.length)} operations`}
            {live ? ", every 2 seconds" : ", paused"}
          </p>
        </>
      ) : null}
      {current ? (
        <OperationDetails
          operation={current}
          onClose={() => setOpened(undefined)}
          onKill={
            may("mongodb.server.operation_kill") && current.opid ? () => setKilling(current) : undefined
          }
        />
      ) : null}
      <Confirm
        open={killing !== undefined}
        onOpenChange={(open) => !open && setKilling(undefined)}
        title="End this operation?"
        action="End it"
        onConfirm={async () => {
          if (!killing) return;
          await kill.mutateAsync(killing.opid);
          toast.done("The server was asked to end it; it does so at the next point where it can.");
          setOpened(undefined);
        }}
      >
        <p>
          {killing?.operation} on {killing?.namespace || "no collection"}. Whoever waits for it gets an error;
          what it has written stays.
        </p>
      </Confirm>
    </div>
  );
}
