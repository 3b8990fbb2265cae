import { type RedisRecommendation, useRedisRecommendations } from "@studio-databases/client/react";
import { Asked, Badge, Button } from "@/ui";

const TONES: Readonly<Record<string, "bad" | "warning" | "neutral">> = {
  high: "bad",
  medium: "warning",
  low: "neutral",
};

/** What to change about the server, and why. */
export function Recommendations({ databaseId }: { databaseId: string }) {
  const found = useRedisRecommendations(databaseId);
  return (
    <section aria-labelledby="advice" className="rounded-md border bg-surface-100">
      <header className="flex items-center justify-between border-b px-4 py-1.5">
        <h2 id="advice" className="text-sm font-medium">
          Recommendations
        </h2>
        <Button kind="text" loading={found.isFetching} onClick={() => found.refetch()}>
          Look again
        </Button>
      </header>
      <Asked of={found} className="m-3">
        Looking at the server's settings and figures…
      </Asked>
      {found.data?.recommendations.length === 0 ? (
        <p className="px-4 py-3 text-sm text-text-light">Nothing to change.</p>
      ) : null}
      <ul>
        {found.data?.recommendations.map((each) => (
          <li key={each.id} className="border-b px-4 py-3 text-sm last:border-b-0">
            <Advice advice={each} />
          </li>
        ))}
      </ul>
      {found.data ? (
        <p className="border-t px-4 py-2 text-xs text-text-muted">
          {found.data.checked} rules looked at
          {found.data.skipped.length > 0 ? `; not told by the server: ${found.data.skipped.join(", ")}` : ""}
        </p>
      ) : null}
    </section>
  );
}

function Advice({ advice }: { advice: RedisRecommendation }) {
  return (
    <>
      <div className="flex items-baseline gap-2">
        <Badge tone={TONES[advice.severity] ?? "neutral"}>{advice.severity}</Badge>
        <h3 className="font-medium">{advice.title}</h3>
      </div>
      <p className="mt-1 break-words text-text-light">{advice.reason}</p>
      {advice.nodes.length > 0 ? (
        <p className="mt-1 text-xs text-text-muted">On {advice.nodes.join(", ")}</p>
      ) : null}
      {/^https:\/\//.test(advice.reference) ? (
        <a
          href={advice.reference}
          target="_blank"
          rel="noreferrer noopener"
          className="mt-1 inline-block text-xs text-brand-text underline"
        >
          Read more
        </a>
      ) : null}
    </>
  );
}
