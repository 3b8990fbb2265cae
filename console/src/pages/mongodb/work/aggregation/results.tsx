import type { MongoAggregation } from "@studio-databases/client/react";
import { duration } from "@/lib/format";
import { Button, Empty, Failure, Loading } from "@/ui";
import { type Exact, listOf } from "../exact";
import { Documents, Scroll } from "../parts";
import type { Work } from "../use-work";

/** What a run has given: its first documents, or where it wrote to. */
export function Results({
  work,
  found,
  isPending,
  onRun,
}: {
  work: Work;
  found: Exact<MongoAggregation> | undefined;
  isPending: boolean;
  onRun: () => void;
}) {
  if (isPending) return <Loading>Running the pipeline…</Loading>;
  if (work.error) return <Failure className="m-4" error={work.error} onRetry={onRun} />;
  if (work.stopped) return <Empty title="Stopped." action={<Button onClick={onRun}>Run again</Button>} />;
  if (!found) {
    return (
      <Empty title="What the pipeline gives shows here." action={<Button onClick={onRun}>Run</Button>} />
    );
  }
  const { wrote, truncated, elapsed_ms } = found.data;
  const documents = listOf(found.node, "documents");
  if (wrote) {
    return (
      <Empty title={`Wrote into ${wrote.database_name}.${wrote.collection} in ${duration(elapsed_ms)}.`} />
    );
  }
  return (
    <div className="flex h-full flex-col">
      <Scroll label="Results" className="min-h-0 flex-1 p-4">
        {documents.length === 0 ? <Empty title="No documents come out of the pipeline." /> : null}
        <Documents label="Documents" documents={documents} />
      </Scroll>
      <p role="status" className="border-t px-4 py-1.5 text-xs text-text-light">
        {truncated
          ? `The first ${documents.length} documents`
          : `${documents.length} ${documents.length === 1 ? "document" : "documents"}`}{" "}
        in {duration(elapsed_ms)}
        {truncated ? "; there are more." : ""}
      </p>
    </div>
  );
}
