import { useMongoRecommendations } from "@studio-databases/client/react";
import { Badge, Failure, Skeleton } from "@/ui";

const TONES = { high: "bad", medium: "warning", low: "neutral" } as const;

/** What to change about the server, the most severe first. */
export function Recommendations({ databaseId }: { databaseId: string }) {
  const found = useMongoRecommendations(databaseId);
  if (found.isPending) return <Skeleton className="h-16" />;
  if (found.isError) return <Failure error={found.error} onRetry={() => found.refetch()} />;
  const { recommendations, checked, skipped } = found.data;
  return (
    <section aria-label="Recommendations" className="rounded-md border bg-surface-100">
      <h3 className="border-b px-4 py-2 text-sm font-medium">Recommendations</h3>
      <ul>
        {recommendations.map((each) => (
          <li key={each.id} className="flex items-baseline gap-3 border-b px-4 py-2 text-sm last:border-b-0">
            <Badge tone={TONES[each.severity as keyof typeof TONES] ?? "neutral"}>{each.severity}</Badge>
            <div className="min-w-0">
              <p>{each.title}</p>
              <p className="text-text-light">{each.reason}</p>
              {each.reference ? (
                <a
                  className="text-xs text-brand-text hover:underline"
                  href={each.reference}
                  target="_blank"
                  rel="noreferrer"
                >
                  Read more
                </a>
              ) : null}
            </div>
          </li>
        ))}
      </ul>
      <p className="px-4 py-2 text-xs text-text-muted">
        {recommendations.length === 0 ? "Nothing to change. " : ""}
        {checked} rules were looked at
        {skipped.length > 0 ? `; the server does not tell what ${skipped.length} more need` : ""}.
      </p>
    </section>
  );
}
