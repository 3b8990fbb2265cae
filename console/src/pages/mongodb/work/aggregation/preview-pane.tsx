import type { MongoStagePreview } from "@studio-databases/client/react";
import type { ReactNode } from "react";
import { type Exact, listOf } from "../exact";
import { Scroll, Value } from "../parts";

/** The first documents that come out of a stage, side by side; or why there are none. */
export function PreviewPane({
  label,
  enabled,
  preview,
}: {
  label: string;
  enabled: boolean;
  preview: Exact<MongoStagePreview> | undefined;
}) {
  if (!enabled) return <Note>Switched off: documents pass by.</Note>;
  if (!preview) return <Note>No preview.</Note>;
  const { error, skipped, target } = preview.data;
  if (error) {
    return (
      <p
        role="alert"
        className="m-2 self-start rounded-md border border-danger bg-danger-surface p-2 text-sm"
      >
        {error.message}
      </p>
    );
  }
  if (target) {
    const place = `${target.database_name}.${target.collection}`;
    return (
      <Note>
        {target.stage === "$out" ? `Replaces ${place}` : `Writes into ${place}`} when the pipeline is run; a
        preview writes nothing.
      </Note>
    );
  }
  if (skipped) return <Note>{skipped}</Note>;
  const documents = listOf(preview.node, "documents");
  if (documents.length === 0) return <Note>No documents come out of it.</Note>;
  return (
    <Scroll label={label} className="max-h-44 border-t p-2 lg:border-t-0 lg:border-l">
      <ol className="flex gap-2">
        {documents.map((each, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: what a pipeline gives may have no `_id`
          <li key={index} className="w-72 shrink-0 self-start rounded-md border bg-surface px-2 py-1">
            <Value node={each} />
          </li>
        ))}
      </ol>
    </Scroll>
  );
}

function Note({ children }: { children: ReactNode }) {
  return <p className="border-t p-3 text-sm text-text-light lg:border-t-0 lg:border-l">{children}</p>;
}
