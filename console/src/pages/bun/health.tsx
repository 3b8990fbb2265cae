import { useBunHealth, useBunInfo } from "@studio-databases/client/react";
import { count, duration, moment } from "@/lib/format";
import { Badge, Facts, Failure, Loading } from "@/ui";

const BREAKER: Readonly<Record<string, string>> = {
  closed: "Requests pass.",
  open: "The API could not be reached several times: requests are refused at once until the next try.",
  half_open: "The next request is tried; if it gets through, all pass again.",
};

/** How the API is, what it is, and whether requests get through to it. */
export function Health({ databaseId }: { databaseId: string }) {
  const health = useBunHealth(databaseId);
  const info = useBunInfo(databaseId);
  if (health.isPending) return <Loading>Asking the API…</Loading>;
  if (health.isError)
    return <Failure className="m-5" error={health.error} onRetry={() => health.refetch()} />;
  const now = health.data;
  const { breaker, pool, requests } = now;
  const facts: [string, string][] = [
    ["Checked", now.checked_at ? moment(now.checked_at) : "–"],
    ["Latency", now.latency_ms < 0 ? "–" : duration(now.latency_ms)],
    ["Answered at", now.path || "–"],
    ["HTTP status", now.http_status ? String(now.http_status) : "–"],
    ["Base URL", info.data?.base_url ?? "–"],
    ["Runtime", [info.data?.runtime, info.data?.runtime_version].filter(Boolean).join(" ") || "–"],
    ["API version", info.data?.version || "–"],
    ["Key", info.data ? (info.data.has_key ? `sent as ${info.data.auth_header}` : "none stored") : "–"],
    ["OpenAPI document", info.data?.document?.path ?? info.data?.document_error ?? "–"],
    ["Running requests", requests ? count(requests.running) : "–"],
    ["Answered", requests ? count(requests.answered) : "–"],
    ["Failed", requests ? count(requests.failed) : "–"],
    ["Connections", pool ? `${count(pool.in_use)} in use, ${count(pool.idle)} kept` : "–"],
  ];
  return (
    <div className="flex min-h-0 max-w-3xl flex-1 flex-col gap-5 overflow-y-auto p-5">
      <div className="flex items-center gap-3">
        <Badge tone={now.status === "healthy" ? "good" : "bad"}>{now.status}</Badge>
        <p className="text-sm">{now.message}</p>
      </div>
      {now.hint ? <p className="text-sm text-text-light">{now.hint}</p> : null}
      {breaker ? (
        <section aria-labelledby="breaker" className="rounded-md border bg-surface-100 p-4 text-sm">
          <h2 id="breaker" className="mb-1 font-medium">
            Circuit breaker{" "}
            <Badge tone={breaker.state === "closed" ? "good" : "warning"}>{breaker.state}</Badge>
          </h2>
          <p className="text-text-light">{BREAKER[breaker.state]}</p>
          {breaker.last_error ? (
            <p className="mt-1 text-text-light">Last failure: {breaker.last_error}</p>
          ) : null}
        </section>
      ) : null}
      <Facts facts={facts} className="grid-cols-[10rem_1fr] gap-y-1.5 text-sm" />
    </div>
  );
}
