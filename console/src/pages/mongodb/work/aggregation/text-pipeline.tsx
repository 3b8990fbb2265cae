import type { MongoNamespace } from "@studio-databases/client/react";
import { Code } from "@/ui";
import { useCompletion } from "../complete";
import { problemOf } from "../exact";

/** The whole pipeline as one text. */
export function TextPipeline({
  databaseId,
  of,
  text,
  onChange,
  onSubmit,
}: {
  databaseId: string;
  of: MongoNamespace;
  text: string;
  onChange: (text: string) => void;
  onSubmit: () => void;
}) {
  const complete = useCompletion(databaseId, of);
  const problem = problemOf(text);
  return (
    <div className="flex h-full flex-col gap-2 p-4">
      <Code
        label="Pipeline"
        className="min-h-0 flex-1"
        language="json"
        lint={false}
        value={text}
        complete={complete}
        onChange={onChange}
        onSubmit={onSubmit}
      />
      <p
        className={`text-xs ${problem ? "text-danger" : "text-text-muted"}`}
        role={problem ? "alert" : undefined}
      >
        {problem || "Ctrl+Enter runs it. Extended JSON, or as MongoDB's shell writes it."}
      </p>
    </div>
  );
}
