/** What takes the memory: by key, namespace, type and expiry, drawn while the server is looked through. */

import { type Database, type RedisAnalysis, useClient, watchRedis } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { type FormEvent, useState } from "react";
import { count, duration, short, bytes as size } from "@/lib/format";
import { Badge, Button, Empty, Failure, Field, Input, Progress } from "@/ui";
import { useRun } from "../use-run";
import { useRedisSearch } from "../use-search";
import { Expiry, Namespaces, Types } from "./bars";
import { KeyTable } from "./key-table";

export default function Analysis({ database }: { database: Database }) {
  const client = useClient();
  const [search, setSearch] = useRedisSearch();
  const [latest, setLatest] = useState<RedisAnalysis>();
  const run = useRun<RedisAnalysis>(setLatest);
  const { analyze: pattern = "", separator = ":", most = "" } = search;
  const badMost = most !== "" && !(/^\d{1,9}$/.test(most) && Number(most) <= 100_000_000);
  const isRunning = run.status === "running";

  function start(event: FormEvent) {
    event.preventDefault();
    if (badMost) return;
    setLatest(undefined);
    const query = {
      ...(pattern ? { "pattern.value": pattern } : {}),
      separator,
      max_keys: Number(most),
    };
    run.start((signal) => watchRedis(client, database.id, "analysis", query, signal));
  }

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <form className="flex flex-wrap items-end gap-3 border-b px-4 py-2.5" onSubmit={start}>
        <Text
          label="Pattern"
          placeholder="every key"
          className="w-56"
          value={pattern}
          disabled={isRunning}
          onChange={(value) => setSearch({ analyze: value || undefined })}
        />
        <Text
          label="Separator"
          className="w-24"
          value={separator}
          disabled={isRunning}
          onChange={(value) => setSearch({ separator: value })}
        />
        <Text
          label="Most keys"
          placeholder="all"
          className="w-32"
          value={most}
          disabled={isRunning}
          error={badMost ? "A number up to 100,000,000." : undefined}
          onChange={(value) => setSearch({ most: value || undefined })}
        />
        {isRunning ? (
          <Button size="small" onClick={run.stop}>
            Stop
          </Button>
        ) : (
          <Button size="small" type="submit" kind="primary">
            {run.status === "idle" ? "Analyze" : "Analyze again"}
          </Button>
        )}
      </form>
      <Progress
        label="Keys looked at"
        className={clsx("shrink-0 rounded-none", !isRunning && "invisible")}
        value={latest && latest.total_estimate > 0 ? latest.scanned / latest.total_estimate : undefined}
      />
      <div className="flex min-h-0 flex-1 flex-col gap-4 overflow-y-auto p-4">
        {run.status === "idle" ? (
          <Empty title="See what takes the memory.">
            Every key is looked at, a few at a time, with a rest between: a million keys take about a minute.
            What is found shows at once; stop whenever it is enough.
          </Empty>
        ) : null}
        {run.error ? <Failure error={run.error} /> : null}
        {latest ? (
          <Summary latest={latest} isRunning={isRunning} isStopped={run.status === "stopped"} />
        ) : null}
        {latest && latest.analyzed === 0 && latest.done ? <Empty title="No key matches." /> : null}
        {latest && latest.analyzed > 0 ? (
          <>
            <div className="grid items-start gap-4 xl:grid-cols-[3fr_2fr]">
              <Namespaces rows={latest.namespaces} separator={separator} />
              <div className="flex flex-col gap-4">
                <Types rows={latest.types} />
                <Expiry rows={latest.expiry} />
              </div>
            </div>
            <div className="grid items-start gap-4 xl:grid-cols-2">
              <KeyTable title="Largest keys" rows={latest.largest} />
              <KeyTable title="Keys with most elements" rows={latest.longest} />
            </div>
          </>
        ) : null}
      </div>
    </div>
  );
}

function Text({
  label,
  value,
  onChange,
  error,
  className,
  placeholder,
  disabled,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  error?: string | undefined;
  className: string;
  placeholder?: string;
  disabled: boolean;
}) {
  return (
    <Field label={label} error={error} className={className}>
      {(control) => (
        <Input
          {...control}
          className="font-mono !text-xs"
          spellCheck={false}
          placeholder={placeholder}
          value={value}
          disabled={disabled}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

function Summary({
  latest,
  isRunning,
  isStopped,
}: {
  latest: RedisAnalysis;
  isRunning: boolean;
  isStopped: boolean;
}) {
  const total = latest.total_estimate >= 0 ? ` of ~${short(latest.total_estimate)}` : "";
  return (
    <p role="status" className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-text-light">
      <span>
        <strong className="font-medium text-text">{count(latest.analyzed)}</strong> keys counted,{" "}
        {count(latest.scanned)}
        {total} looked at
      </span>
      {latest.memory_bytes >= 0 ? (
        <span>
          <strong className="font-medium text-text">{size(latest.memory_bytes)}</strong> of memory
        </span>
      ) : (
        <span>The server does not tell this user the memory of keys.</span>
      )}
      <span>{duration(latest.elapsed_ms)}</span>
      {isRunning ? <Badge tone="info">so far</Badge> : null}
      {isStopped ? <Badge tone="warning">stopped: a part of the keys</Badge> : null}
      {latest.truncated ? <Badge tone="warning">ended by the most keys</Badge> : null}
    </p>
  );
}
