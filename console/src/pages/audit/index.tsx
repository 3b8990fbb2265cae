/** The whole audit log, narrowed by what stands in the address. */

import type { AuditFilters } from "@studio-databases/client/react";
import { useClient, useMay } from "@studio-databases/client/react";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Download } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { saveStream } from "@/lib/download";
import { bytes } from "@/lib/format";
import { Button, Input, Select, toast } from "@/ui";
import { AuditList } from "./list";
import { type AuditSearch, SPANS, since as sinceOf } from "./search";

export function AuditPage() {
  const search: AuditSearch = getRouteApi("/audit").useSearch();
  const navigate = useNavigate({ from: "/audit" });
  const may = useMay();
  const { last, ...filters } = useDebounced(search);
  // Kept for as long as the span is chosen: a new time on each render would ask for ever.
  const since = useMemo(() => (last ? sinceOf(last) : undefined), [last]);
  const settled: AuditFilters = since ? { ...filters, since } : filters;

  function narrow(change: AuditSearch) {
    navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  }

  function text(name: "actor" | "action" | "target", label: string, placeholder: string) {
    return (
      <Input
        aria-label={label}
        placeholder={placeholder}
        className="!w-40"
        spellCheck={false}
        value={search[name] ?? ""}
        onChange={(event) => narrow({ [name]: event.target.value || undefined })}
      />
    );
  }

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b px-3 py-2.5">
        <h1 className="mr-2 text-sm font-medium">Audit log</h1>
        {text("actor", "Who", "Who")}
        {text("action", "Action", "Action, or redis.")}
        {text("target", "Target", "Key, collection, …")}
        <Select
          aria-label="Time"
          className="!w-36"
          value={search.last ?? ""}
          onChange={(event) => narrow({ last: (event.target.value || undefined) as AuditSearch["last"] })}
        >
          <option value="">Any time</option>
          {Object.keys(SPANS).map((span) => (
            <option key={span} value={span}>
              Last {span}
            </option>
          ))}
        </Select>
        <Select
          aria-label="Effect"
          className="!w-36"
          value={search.effect ?? ""}
          onChange={(event) =>
            narrow({ effect: (event.target.value || undefined) as AuditFilters["effect"] })
          }
        >
          <option value="">Any effect</option>
          <option value="reads">reads</option>
          <option value="changes">changes</option>
          <option value="endangers">endangers</option>
        </Select>
        <Select
          aria-label="Outcome"
          className="!w-36"
          value={search.outcome ?? ""}
          onChange={(event) =>
            narrow({ outcome: (event.target.value || undefined) as AuditFilters["outcome"] })
          }
        >
          <option value="">Any outcome</option>
          <option value="ok">ok</option>
          <option value="denied">denied</option>
          <option value="failed">failed</option>
          <option value="cancelled">cancelled</option>
          <option value="unknown">unknown</option>
        </Select>
        <div className="flex-1" />
        {may("registry.audit.export") ? <Export filters={settled} /> : null}
      </div>
      <AuditList filters={settled} />
    </div>
  );
}

/** Saves the events that match as NDJSON, oldest first; can be stopped. */
function Export({ filters }: { filters: AuditFilters }) {
  const client = useClient();
  const running = useRef<AbortController>(null);
  const [saved, setSaved] = useState<number>();

  async function start() {
    const control = new AbortController();
    running.current = control;
    setSaved(0);
    try {
      const { response } = await client.GET("/api/platform/audit-log/export", {
        params: { query: filters },
        parseAs: "stream",
        signal: control.signal,
      });
      await saveStream(response, "audit-log.ndjson", setSaved);
      toast.done("The audit log is saved.");
    } catch (error) {
      if (!control.signal.aborted) toast.failed(error);
    } finally {
      setSaved(undefined);
    }
  }

  if (saved !== undefined) {
    return <Button onClick={() => running.current?.abort()}>Stop ({bytes(saved)})</Button>;
  }
  return (
    <Button icon={<Download size={14} aria-hidden />} onClick={start}>
      Export
    </Button>
  );
}
