import { count, short } from "@/lib/format";
import { Button, Failure, Progress } from "@/ui";
import type { Scan, ScanState } from "./scan";
import { MOST_KEYS } from "./table";

/** How far the walk through the keys is, and what can be done about it. */
export function ScanProgress({ scan, state }: { scan: Scan; state: ScanState }) {
  const { status, scanned, total } = state;
  const isRunning = status === "running";
  const listed = scan.before + scan.table.size;
  return (
    <footer className="border-t text-xs text-text-light">
      {status === "failed" ? (
        <Failure className="m-2" error={state.error} onRetry={() => scan.more()} />
      ) : null}
      {status === "full" ? (
        <p className="flex items-center justify-between gap-2 border-b bg-warning-surface px-3 py-2 text-text">
          {short(MOST_KEYS)} keys are as many as the list holds.
          <Button onClick={() => scan.makeRoom()}>List the next</Button>
        </p>
      ) : null}
      <Progress
        label="Keys looked at"
        className={isRunning ? "rounded-none" : "invisible rounded-none"}
        value={total > 0 ? scanned / total : undefined}
      />
      <div className="flex h-9 items-center gap-2 px-3" aria-live="polite">
        <span
          className="min-w-0 flex-1 truncate"
          title={`${count(scanned)} of about ${count(total)} looked at`}
        >
          <span className="text-text">{count(listed)}</span> {listed === 1 ? "key" : "keys"}
          {status === "done" ? ", all" : ""}
          {total > 0 && status !== "done"
            ? `, looked at ${short(Math.min(scanned, total))} of ~${short(total)}`
            : ""}
        </span>
        {isRunning ? <Button onClick={() => scan.stop()}>Stop</Button> : null}
        {status === "paused" ? (
          <>
            <Button kind="text" onClick={() => scan.more()}>
              More
            </Button>
            <Button onClick={() => scan.more(true)}>Scan all</Button>
          </>
        ) : null}
      </div>
    </footer>
  );
}
