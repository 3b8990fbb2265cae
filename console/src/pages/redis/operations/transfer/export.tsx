import { type Database, exportRedis, useClient } from "@studio-databases/client/react";
import { Download } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { saveStream } from "@/lib/download";
import { count, bytes as size } from "@/lib/format";
import { Button, Failure, Field, Progress, Select } from "@/ui";
import { selectionOf } from "../selection";
import { SelectionFields } from "../selection-fields";
import { useChoice } from "../use-choice";
import { type ExportCounts, type ExportNews, watchingNews } from "./lines";

type Format = "dump" | "readable";

const FORMATS: Readonly<Record<Format, string>> = {
  dump: "The bytes of DUMP: restores exactly, into the same version of the server or a later one.",
  readable: "Values as JSON: to be read and to be imported into any version.",
};

interface State {
  status: "running" | "done" | "stopped" | "failed";
  come: number;
  counts: ExportCounts;
  error?: unknown;
}

/** Saves the chosen keys as NDJSON, a key a line. */
export function Export({ database }: { database: Database }) {
  const client = useClient();
  const [choice, setChoice] = useChoice();
  const [format, setFormat] = useState<Format>("dump");
  const [state, setState] = useState<State>();
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);
  const selection = selectionOf(choice);
  const isRunning = state?.status === "running";

  async function save() {
    if (typeof selection !== "object") return;
    const mine = new AbortController();
    control.current = mine;
    const last: State = { status: "running", come: 0, counts: {} };
    let end: ExportNews | undefined;
    setState({ ...last });
    try {
      const response = await exportRedis(client, database.id, { selection, format }, mine.signal);
      const watched = response.body?.pipeThrough(
        watchingNews((news) => {
          if (news.summary || news.error) end = news;
          last.counts = news.summary ?? news.progress ?? last.counts;
        }),
      );
      await saveStream(new Response(watched), fileName(database.name), (come) => {
        last.come = come;
        setState({ ...last });
      });
      if (!end?.summary) throw new Error(end?.error?.message ?? "The export ended before its last key.");
      setState({ ...last, status: "done" });
    } catch (error) {
      setState(mine.signal.aborted ? { ...last, status: "stopped" } : { ...last, status: "failed", error });
    }
  }

  return (
    <section aria-labelledby="export" className="rounded-md border bg-surface-100">
      <h2 id="export" className="border-b px-4 py-2 text-sm font-medium">
        Export
      </h2>
      <form
        className="flex flex-col gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <SelectionFields choice={choice} onChange={setChoice} disabled={isRunning} />
        <Field label="Format" hint={FORMATS[format]}>
          {(field) => (
            <Select
              {...field}
              value={format}
              disabled={isRunning}
              onChange={(event) => setFormat(event.target.value as Format)}
            >
              <option value="dump">DUMP</option>
              <option value="readable">JSON</option>
            </Select>
          )}
        </Field>
        <div className="flex items-center gap-3">
          {isRunning ? (
            <Button onClick={() => control.current?.abort()}>Stop</Button>
          ) : (
            <Button
              type="submit"
              kind="primary"
              icon={<Download size={13} aria-hidden />}
              disabled={typeof selection !== "object"}
            >
              Export
            </Button>
          )}
          {typeof selection === "object" ? null : (
            <span className="text-xs text-text-muted">{selection}</span>
          )}
        </div>
        {state ? <ExportState state={state} /> : null}
      </form>
    </section>
  );
}

function ExportState({ state: { status, come, counts, error } }: { state: State }) {
  const { scanned = 0, succeeded = 0, failed = 0, total_estimate: total = 0 } = counts;
  return (
    <div className="flex flex-col gap-2">
      {status === "running" ? (
        <Progress label="Keys looked at" value={total > 0 ? scanned / total : undefined} />
      ) : null}
      {error ? <Failure error={error} /> : null}
      <p role="status" className="text-sm text-text-light">
        {status === "done" ? "Saved: " : ""}
        {status === "stopped" ? "Stopped; nothing whole was saved. So far: " : ""}
        {count(succeeded)} {succeeded === 1 ? "key" : "keys"}, {size(come)}
        {failed > 0 ? `; ${count(failed)} could not be read, the file says which and why` : ""}
      </p>
    </div>
  );
}

function fileName(database: string): string {
  const day = new Date().toISOString().slice(0, 19).replaceAll(/[T:]/g, "-");
  return `${database.replaceAll(/[^\w.-]+/g, "-")}-${day}.ndjson`;
}
