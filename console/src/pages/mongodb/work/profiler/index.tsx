/** What a database records of its operations: how much of them, and what was slow. */

import {
  type MongoProfilerEntry,
  useMay,
  useMongoProfiler,
  useMongoProfilerEntries,
} from "@studio-databases/client/react";
import { Settings2 } from "lucide-react";
import { useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { count } from "@/lib/format";
import { Asked, Button, Empty, Failure, Grid, Input, Loading, Reload, Select } from "@/ui";
import { Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { COLUMNS } from "./columns";
import { EntryDetails } from "./details";
import { ProfilerSettings } from "./settings";
import { said } from "./words";

const KINDS = ["query", "insert", "update", "remove", "getmore", "command"];

export function Profiler({ databaseId, databaseName, collection }: WorkProps) {
  const may = useMay(databaseId);
  const profiler = useMongoProfiler(databaseId, databaseName);
  const [changing, setChanging] = useState(false);
  const maySet = may("mongodb.server.profiler_set");
  if (profiler.isPending) return <Loading>Asking the server…</Loading>;
  if (profiler.isError) {
    return <Failure className="m-4" error={profiler.error} onRetry={() => profiler.refetch()} />;
  }
  const state = profiler.data;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <h2 className="text-sm font-medium">{databaseName}</h2>
        <p className="text-xs text-text-light">{said(state)}</p>
        <div className="flex-1" />
        {maySet ? (
          <Button icon={<Settings2 size={13} aria-hidden />} onClick={() => setChanging(true)}>
            What is recorded…
          </Button>
        ) : null}
      </Toolbar>
      {may("mongodb.server.profiler_entries") ? (
        <Entries
          databaseId={databaseId}
          databaseName={databaseName}
          collection={collection}
          records={state.level > 0}
        />
      ) : (
        <Empty title="You may not see what was recorded.">
          It shows what others ask for; that takes the role developer on this database.
        </Empty>
      )}
      {changing ? (
        <ProfilerSettings databaseId={databaseId} state={state} onClose={() => setChanging(false)} />
      ) : null}
    </div>
  );
}

function Entries({
  databaseId,
  databaseName,
  collection,
  records,
}: {
  databaseId: string;
  databaseName: string;
  collection: string;
  records: boolean;
}) {
  const [operation, setOperation] = useState("");
  const [least, setLeast] = useState("");
  const [opened, setOpened] = useState<MongoProfilerEntry>();
  const minMs = Number(useDebounced(least)) || 0;
  const found = useMongoProfilerEntries(databaseId, databaseName, { collection, operation, minMs });
  const entries = found.data?.pages.flatMap((page) => page.entries) ?? [];
  const isNarrowed = Boolean(operation || minMs || collection);
  return (
    <>
      <Toolbar>
        <Select
          aria-label="Kind of operation"
          className="!h-7 !w-40 !text-xs"
          value={operation}
          onChange={(event) => setOperation(event.target.value)}
        >
          <option value="">Every kind</option>
          {KINDS.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </Select>
        <label htmlFor="profiler-min" className="flex items-center gap-2 text-xs text-text-light">
          At least
          <Input
            id="profiler-min"
            className="!h-7 !w-20 !text-xs"
            inputMode="numeric"
            placeholder="0"
            value={least}
            onChange={(event) => setLeast(event.target.value.replaceAll(/\D/g, "").slice(0, 9))}
          />
          ms
        </label>
        <span className="text-xs text-text-light">
          {collection ? `of ${collection} alone` : "of every collection"}
        </span>
        <div className="flex-1" />
        <Reload of={found} />
      </Toolbar>
      <Asked of={found}>Loading what was recorded…</Asked>
      {found.data ? (
        <>
          <Grid<MongoProfilerEntry>
            label="Recorded operations"
            rows={entries}
            columns={COLUMNS}
            rowKey={keyOf}
            selected={opened ? keyOf(opened, entries.indexOf(opened)) : undefined}
            onSelect={setOpened}
            onEnd={() => found.hasNextPage && !found.isFetching && found.fetchNextPage()}
            empty={
              <Empty title={isNarrowed ? "Nothing recorded matches." : "Nothing is recorded yet."}>
                {records ? null : "The profiler is off."}
              </Empty>
            }
          />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            {count(entries.length)} {found.hasNextPage ? "shown, the newest first" : "recorded"}
          </p>
        </>
      ) : null}
      {opened ? <EntryDetails entry={opened} onClose={() => setOpened(undefined)} /> : null}
    </>
  );
}

/** Entries have no name of their own. */
function keyOf(entry: MongoProfilerEntry, index: number): string {
  return `${entry.at_unix_ms} ${index}`;
}
