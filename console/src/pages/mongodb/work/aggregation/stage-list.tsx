import type { MongoNamespace, MongoStagePreview } from "@studio-databases/client/react";
import { Plus } from "lucide-react";
import { useId } from "react";
import { Button, Failure } from "@/ui";
import { useCompletion } from "../complete";
import type { Exact } from "../exact";
import { PreviewPane } from "./preview-pane";
import { StageCard } from "./stage-card";
import { moved, type Pipeline, type Stage, stage, TEMPLATES } from "./stages";

const WRITING = new Set(["$out", "$merge"]);

/** The stages one below the other, the pipeline's input above them. */
export function StageList({
  databaseId,
  of,
  stages,
  pipeline,
  mayWrite,
  input,
  previewOf,
  failure,
  onChange,
  onSubmit,
}: {
  databaseId: string;
  of: MongoNamespace;
  stages: readonly Stage[];
  pipeline: Pipeline;
  mayWrite: boolean;
  input: Exact<MongoStagePreview> | undefined;
  previewOf: (id: number) => Exact<MongoStagePreview> | undefined;
  failure: unknown;
  onChange: (stages: readonly Stage[]) => void;
  onSubmit: () => void;
}) {
  const names = useId();
  const complete = useCompletion(databaseId, of);
  const add = (at: number) => onChange(stages.toSpliced(at, 0, stage("$match")));
  return (
    <div className="flex h-full flex-col gap-3 overflow-y-auto p-4">
      <datalist id={names}>
        {Object.keys(TEMPLATES)
          .filter((each) => mayWrite || !WRITING.has(each))
          .map((each) => (
            <option key={each} value={each} />
          ))}
      </datalist>
      {failure ? <Failure error={failure} /> : null}
      {input ? (
        <section aria-label="Input" className="rounded-md border bg-surface-100">
          <h2 className="border-b px-3 py-1.5 text-xs text-text-light">Input: documents of the collection</h2>
          <PreviewPane label="Documents of the collection" enabled preview={input} />
        </section>
      ) : null}
      {stages.map((each, index) => (
        <StageCard
          key={each.id}
          stage={each}
          number={index + 1}
          problem={pipeline.problems.get(each.id)}
          preview={previewOf(each.id)}
          names={names}
          complete={complete}
          onChange={(change) =>
            onChange(stages.map((other) => (other.id === each.id ? { ...other, ...change } : other)))
          }
          onMove={(by) => onChange(moved(stages, each.id, by))}
          onRemove={() => onChange(stages.filter((other) => other.id !== each.id))}
          onAddBelow={() => add(index + 1)}
          onSubmit={onSubmit}
        />
      ))}
      <div>
        <Button icon={<Plus size={13} aria-hidden />} onClick={() => add(stages.length)}>
          Add a stage
        </Button>
      </div>
    </div>
  );
}
