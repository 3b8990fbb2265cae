import type { MongoStagePreview } from "@studio-databases/client/react";
import { ChevronDown, ChevronUp, Plus, Trash2 } from "lucide-react";
import { duration } from "@/lib/format";
import { Badge, Checkbox, Code, IconButton, Input } from "@/ui";
import type { Completion } from "../complete";
import type { Exact } from "../exact";
import { PreviewPane } from "./preview-pane";
import { type Stage, TEMPLATES } from "./stages";

/** A stage: what it is at the left, what comes out of it at the right. */
export function StageCard({
  stage,
  number,
  problem,
  preview,
  names,
  complete,
  onChange,
  onMove,
  onRemove,
  onAddBelow,
  onSubmit,
}: {
  stage: Stage;
  number: number;
  problem: string | undefined;
  /** None while previews are off, or for a stage that is switched off. */
  preview: Exact<MongoStagePreview> | undefined;
  /** Id of the list with stages' names. */
  names: string;
  complete: Completion;
  onChange: (change: Partial<Stage>) => void;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
  onAddBelow: () => void;
  onSubmit: () => void;
}) {
  function rename(name: string) {
    // A text that was not touched gives way to the new stage's.
    const untouched = stage.text === (TEMPLATES[stage.name] ?? "{}");
    onChange({ name, ...(untouched && TEMPLATES[name] ? { text: TEMPLATES[name] } : {}) });
  }
  const data = preview?.data;
  return (
    <section aria-label={`Stage ${number}`} className="rounded-md border bg-surface-100">
      <header className="flex flex-wrap items-center gap-2 border-b px-2 py-1">
        <span className="w-5 text-right text-xs text-text-muted tabular-nums">{number}</span>
        <Checkbox
          label={<span className="sr-only">Stage {number} is on</span>}
          checked={stage.enabled}
          onChange={(event) => onChange({ enabled: event.target.checked })}
        />
        <Input
          aria-label={`Name of stage ${number}`}
          className="!h-7 !w-44 font-mono !text-xs"
          list={names}
          spellCheck={false}
          value={stage.name}
          onChange={(event) => rename(event.target.value)}
        />
        {data?.sampled ? (
          <span title="Computed on a part of the collection: counts and sums may be too small.">
            <Badge tone="warning">sample</Badge>
          </span>
        ) : null}
        {data && !data.error && !data.skipped ? (
          <span className="text-xs text-text-light">
            {data.documents.length}
            {data.truncated ? "+" : ""} {data.documents.length === 1 ? "document" : "documents"},{" "}
            {duration(data.elapsed_ms)}
          </span>
        ) : null}
        <div className="flex-1" />
        <IconButton label={`Move stage ${number} up`} onClick={() => onMove(-1)}>
          <ChevronUp size={14} aria-hidden />
        </IconButton>
        <IconButton label={`Move stage ${number} down`} onClick={() => onMove(1)}>
          <ChevronDown size={14} aria-hidden />
        </IconButton>
        <IconButton label={`Add a stage below ${number}`} onClick={onAddBelow}>
          <Plus size={14} aria-hidden />
        </IconButton>
        <IconButton label={`Remove stage ${number}`} onClick={onRemove}>
          <Trash2 size={14} aria-hidden />
        </IconButton>
      </header>
      <div className="grid grid-cols-1 lg:grid-cols-[minmax(18rem,2fr)_3fr]">
        <div className="flex flex-col gap-1 p-2">
          <Code
            label={`Value of stage ${number}`}
            className="h-40"
            language="json"
            lint={false}
            value={stage.text}
            complete={complete}
            onChange={(text) => onChange({ text })}
            onSubmit={onSubmit}
          />
          {problem ? (
            <p role="alert" className="text-xs text-danger">
              {problem}
            </p>
          ) : null}
        </div>
        <PreviewPane label={`Documents after stage ${number}`} enabled={stage.enabled} preview={preview} />
      </div>
    </section>
  );
}
