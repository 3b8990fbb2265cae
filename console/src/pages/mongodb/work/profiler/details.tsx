import type { MongoProfilerEntry } from "@studio-databases/client/react";
import { bytes, count, duration, moment } from "@/lib/format";
import { layOut } from "@/lib/json";
import { Copy, Facts, SidePanel } from "@/ui";

/** An operation that was recorded, with its command. */
export function EntryDetails({ entry, onClose }: { entry: MongoProfilerEntry; onClose: () => void }) {
  const amount = (value: number, show: (value: number) => string) => (value < 0 ? "–" : show(value));
  const facts: readonly (readonly [string, string])[] = [
    ["Ended", moment(entry.at_unix_ms)],
    ["Took", amount(entry.ms, duration)],
    ["Plan", entry.plan_summary || "–"],
    ["Documents read", amount(entry.documents_examined, count)],
    ["Index entries read", amount(entry.keys_examined, count)],
    ["Returned", amount(entry.returned, count)],
    ["Changed", amount(entry.changed, count)],
    ["Answer", amount(entry.response_bytes, bytes)],
    ["Sorted in memory", entry.sorted_in_memory ? "yes" : "no"],
    ["User", entry.user || "–"],
    ["Client", [entry.app_name, entry.client].filter(Boolean).join(", ") || "–"],
    ["Shape of the query", entry.query_hash || "–"],
  ];
  const command = layOut(entry.command);
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={`${entry.operation} ${entry.namespace}`}
    >
      {entry.error ? (
        <p role="alert" className="mb-4 rounded-md border border-danger bg-danger-surface px-3 py-2 text-sm">
          {entry.error}
        </p>
      ) : null}
      <Facts facts={facts} />
      <h3 className="mt-4 mb-1 flex items-center gap-2 text-sm text-text-light">
        Command{entry.command_truncated ? ", its beginning" : ""}{" "}
        <Copy text={command} label="Copy the command" />
      </h3>
      <pre className="overflow-x-auto rounded-md border bg-surface-100 p-3 font-mono text-xs leading-5">
        {command}
      </pre>
    </SidePanel>
  );
}
