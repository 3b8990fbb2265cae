import type { MongoPlanStage } from "@studio-databases/client/react";
import { get, type Node } from "@/lib/ejson";
import { bytes, count, duration } from "@/lib/format";
import { Badge } from "@/ui";
import { hasContent, line, listOf } from "../exact";

const SLOW = new Set(["COLLSCAN", "SORT"]);
const DETAILS = [
  ["filter", "checks"],
  ["sort", "sorts by"],
  ["index_keys", "index keys"],
  ["index_bounds", "reads"],
] as const;

/** A stage of a plan and the stages that it takes its input from, as a tree that can be walked and folded. */
export function PlanTree({ stage, node, total }: { stage: MongoPlanStage; node: Node; total: number }) {
  return (
    <ul className="flex flex-col gap-2">
      <Branch stage={stage} node={node} total={total} />
    </ul>
  );
}

function Branch({ stage, node, total }: { stage: MongoPlanStage; node: Node; total: number }) {
  const nodes = listOf(node, "children");
  const below = Math.max(0, ...stage.children.map((each) => each.elapsed_ms));
  const own = stage.elapsed_ms < 0 ? -1 : Math.max(0, stage.elapsed_ms - below);
  return (
    <li>
      <div className="max-w-3xl rounded-md border bg-surface-100 px-3 py-2">
        <div className="flex flex-wrap items-center gap-2 text-sm">
          <span className={`font-mono font-medium ${SLOW.has(stage.stage) ? "text-warning" : ""}`}>
            {stage.stage}
          </span>
          {stage.index_name ? <Badge tone="info">{stage.index_name}</Badge> : null}
          {stage.direction === "backward" ? <Badge>backward</Badge> : null}
          {stage.used_disk ? <Badge tone="bad">used the disk</Badge> : null}
          {stage.shard ? <Badge>{stage.shard}</Badge> : null}
          <span className="flex-1" />
          {own >= 0 ? (
            <span className="text-xs text-text-light" title="By itself, without the stages below">
              {duration(own)}
            </span>
          ) : null}
        </div>
        {own >= 0 && total > 0 ? (
          <div aria-hidden className="mt-1 h-1 rounded bg-surface-300">
            <div
              className="h-full rounded bg-brand-line"
              style={{ width: `${Math.min(100, (own / total) * 100)}%` }}
            />
          </div>
        ) : null}
        <p className="mt-1 text-xs text-text-light tabular-nums">{figures(stage).join(" · ")}</p>
        {DETAILS.map(([name, label]) => {
          const value = get(node, name);
          return hasContent(value) ? (
            <p key={name} className="mt-0.5 text-xs break-all">
              <span className="text-text-light">{label} </span>
              <code className="font-mono">{line(value)}</code>
            </p>
          ) : null;
        })}
      </div>
      {stage.children.length > 0 ? (
        <ul className="mt-2 ml-4 flex flex-col gap-2 border-l pl-4">
          {stage.children.map((child, index) => {
            const inner = nodes[index];
            return inner ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: a plan does not change
              <Branch key={index} stage={child} node={inner} total={total} />
            ) : null;
          })}
        </ul>
      ) : null}
    </li>
  );
}

function figures(stage: MongoPlanStage): string[] {
  const found: string[] = [];
  if (stage.returned >= 0) found.push(`gives ${count(stage.returned)}`);
  if (stage.documents_examined > 0) found.push(`reads ${count(stage.documents_examined)} documents`);
  if (stage.keys_examined > 0) found.push(`reads ${count(stage.keys_examined)} keys`);
  if (stage.memory_bytes > 0) found.push(`uses ${bytes(stage.memory_bytes)} of memory`);
  return found;
}
