import type { RedisProgress } from "@studio-databases/client/react";
import { clsx } from "clsx";
import type { ReactNode } from "react";
import { count, duration, bytes as size } from "@/lib/format";
import { Badge, Button, Failure, Progress } from "@/ui";
import { Bytes } from "../name";
import { Scroll } from "./scroll";
import type { Run, RunStatus } from "./use-run";

const STATES: Readonly<
  Record<RunStatus, { label: string; tone: "neutral" | "good" | "warning" | "bad" | "info" }>
> = {
  idle: { label: "not begun", tone: "neutral" },
  running: { label: "running", tone: "info" },
  done: { label: "done", tone: "good" },
  stopped: { label: "stopped", tone: "warning" },
  failed: { label: "interrupted", tone: "bad" },
};

/** How far work on many keys is, and what came of it. */
export function WorkProgress({
  title,
  run,
  progress,
  done,
  total,
  onResume,
}: {
  title: string;
  run: Pick<Run<RedisProgress>, "status" | "error" | "stop">;
  progress: RedisProgress | undefined;
  /** What has happened to the keys that are done: `deleted`; without it nothing happens to them. */
  done?: string;
  /** How many keys are selected, where that is known. */
  total?: number | undefined;
  onResume?: (() => void) | undefined;
}) {
  const { status, error, stop } = run;
  if (status === "idle") return null;
  const state = STATES[status];
  return (
    <section aria-label={title} className="rounded-md border bg-surface-100">
      <header className="flex h-10 items-center gap-2 border-b px-4">
        <h2 className="text-sm font-medium">{title}</h2>
        <Badge tone={state.tone}>{state.label}</Badge>
        <div className="flex-1" />
        {status === "running" ? <Button onClick={stop}>Stop</Button> : null}
        {onResume && progress?.resume && (status === "stopped" || status === "failed") ? (
          <Button onClick={onResume}>Go on</Button>
        ) : null}
      </header>
      <Progress
        label={title}
        className={clsx("rounded-none", status !== "running" && "invisible")}
        value={shareOf(progress, total)}
      />
      {error ? <Failure className="m-4" error={error} /> : null}
      {progress ? <Figures progress={progress} done={done} /> : null}
      {progress && progress.failures.length > 0 ? <Failures progress={progress} /> : null}
    </section>
  );
}

/** By the keys that are chosen, where their number is known; else by those looked at. */
function shareOf(progress: RedisProgress | undefined, total: number | undefined): number | undefined {
  if (!progress) return undefined;
  if (total) return (progress.succeeded + progress.failed) / total;
  return progress.total_estimate > 0 ? progress.scanned / progress.total_estimate : undefined;
}

function Figures({ progress, done }: { progress: RedisProgress; done: string | undefined }) {
  return (
    <dl aria-live="polite" className="flex flex-wrap gap-x-8 gap-y-3 px-4 py-3">
      <Figure name="Looked at">
        {count(progress.scanned)}
        {progress.total_estimate > 0 ? (
          <span className="text-xs text-text-muted"> of ~{count(progress.total_estimate)}</span>
        ) : null}
      </Figure>
      <Figure name="Selected">{count(progress.matched)}</Figure>
      {progress.memory_bytes >= 0 ? <Figure name="Memory">{size(progress.memory_bytes)}</Figure> : null}
      {done ? (
        <>
          <Figure name={done}>{count(progress.succeeded)}</Figure>
          <Figure name="Failed" bad={progress.failed > 0}>
            {count(progress.failed)}
          </Figure>
        </>
      ) : null}
      <Figure name="Time">{duration(progress.elapsed_ms)}</Figure>
    </dl>
  );
}

function Figure({ name, bad = false, children }: { name: string; bad?: boolean; children: ReactNode }) {
  return (
    <div>
      <dt className="text-xs text-text-light first-letter:uppercase">{name}</dt>
      <dd className={clsx("text-base tabular-nums", bad && "text-danger")}>{children}</dd>
    </div>
  );
}

function Failures({ progress }: { progress: RedisProgress }) {
  return (
    <div className="border-t px-4 py-3">
      <h3 className="mb-1 text-xs text-text-light">
        {progress.failed > progress.failures.length
          ? `The first ${progress.failures.length} of ${count(progress.failed)} failures`
          : "Failures"}
      </h3>
      <Scroll label="Failures" className="max-h-48 text-xs">
        <ul>
          {progress.failures.map(({ key, message }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: failures stay in their order
            <li key={index} className="flex gap-3 py-0.5">
              {key ? <Bytes blob={key} className="max-w-[40%] shrink-0 truncate" /> : null}
              <span className="min-w-0 break-words">{message}</span>
            </li>
          ))}
        </ul>
      </Scroll>
    </div>
  );
}
