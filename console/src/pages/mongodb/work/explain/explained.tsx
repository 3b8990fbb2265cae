import { type MongoExplanation, type MongoNamespace, useMay } from "@studio-databases/client/react";
import { useState } from "react";
import { get } from "@/lib/ejson";
import { count, duration } from "@/lib/format";
import { Badge, Button } from "@/ui";
import { type Exact, hasContent } from "../exact";
import { BuildIndex } from "../indexes/build";
import { keysOf } from "../indexes/keys";
import { Figure, Scroll, Value } from "../parts";
import { PlanTree } from "./tree";

const TONES = { ok: "good", warn: "warning", bad: "bad" } as const;
const WORDS = { ok: "good", warn: "look at it", bad: "slow" } as const;

/** How a query is run: the verdict, what it cost, the tree of its plan. */
export function Explained({
  databaseId,
  of,
  found,
}: {
  databaseId: string;
  of: MongoNamespace;
  found: Exact<MongoExplanation>;
}) {
  const { data, node } = found;
  const [building, setBuilding] = useState(false);
  const may = useMay(databaseId);
  const keys = get(get(node, "suggested_index"), "keys");
  const plan = get(node, "plan");
  const raw = get(node, "raw");
  return (
    <div className="flex flex-col gap-4">
      <section aria-label="Verdict" className="rounded-md border bg-surface-100 p-4">
        <ul className="flex flex-col gap-1.5">
          {data.verdict?.reasons.map((reason) => (
            <li key={`${reason.code} ${reason.message}`} className="flex items-baseline gap-2 text-sm">
              <Badge tone={TONES[reason.level as keyof typeof TONES] ?? "neutral"}>
                {WORDS[reason.level as keyof typeof WORDS] ?? reason.level}
              </Badge>
              <span>{reason.message}</span>
            </li>
          ))}
        </ul>
        <dl className="mt-4 grid grid-cols-2 gap-3 sm:grid-cols-5">
          <Figure name="Returned">{known(data.returned)}</Figure>
          <Figure name="Documents read">{known(data.documents_examined)}</Figure>
          <Figure name="Keys read">{known(data.keys_examined)}</Figure>
          <Figure name="Time on the server">{data.elapsed_ms < 0 ? "–" : duration(data.elapsed_ms)}</Figure>
          <Figure name="Indexes">{data.indexes.join(", ") || "none"}</Figure>
        </dl>
      </section>
      {data.suggested_index && keys ? (
        <section aria-label="Suggested index" className="rounded-md border border-info bg-surface-100 p-4">
          <div className="flex items-start gap-4">
            <div className="min-w-0 flex-1">
              <h2 className="text-sm font-medium">An index that would help</h2>
              <Value node={keys} className="my-1.5" />
              <p className="text-sm text-text-light">{data.suggested_index.message}</p>
            </div>
            {may("mongodb.index.create") ? (
              <Button onClick={() => setBuilding(true)}>Build it…</Button>
            ) : null}
          </div>
          {building ? (
            <BuildIndex
              databaseId={databaseId}
              of={of}
              initial={keysOf(keys)}
              onClose={() => setBuilding(false)}
            />
          ) : null}
        </section>
      ) : null}
      {data.plan && plan ? (
        <section aria-label="Plan">
          <h2 className="mb-2 text-sm font-medium">Plan</h2>
          <PlanTree stage={data.plan} node={plan} total={data.elapsed_ms} />
        </section>
      ) : null}
      {hasContent(raw) ? (
        <details className="rounded-md border bg-surface-100">
          <summary className="cursor-pointer px-4 py-2 text-sm">The server's own answer</summary>
          <Scroll label="The server's own answer" className="max-h-[32rem] border-t p-4">
            <Value node={raw} />
          </Scroll>
        </details>
      ) : null}
    </div>
  );
}

function known(value: number): string {
  return value < 0 ? "–" : count(value);
}
