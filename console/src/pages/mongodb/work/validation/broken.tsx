import type { MongoInvalidDocument, MongoValidationTest } from "@studio-databases/client/react";
import { parse } from "@/lib/ejson";
import { count, duration } from "@/lib/format";
import { Button, Empty, Failure, Progress } from "@/ui";
import { line } from "../exact";
import { Value } from "../parts";
import type { Work } from "../use-work";

/** What a test of rules has found, and which documents break which rule. */
export function Broken({
  work,
  result,
  onGoOn,
}: {
  work: Work;
  result: MongoValidationTest | undefined;
  onGoOn: (() => void) | undefined;
}) {
  const total = result?.total_estimate ?? -1;
  return (
    <section aria-label="Test of the rules" className="flex min-w-0 flex-col gap-3 lg:overflow-y-auto">
      {work.running ? (
        <Progress
          label="Test of the rules"
          value={result && total > 0 ? result.checked / total : undefined}
        />
      ) : null}
      {work.error ? <Failure error={work.error} /> : null}
      {result ? (
        <p role="status" className="text-sm">
          <span className={result.failed > 0 ? "text-danger" : "text-brand-text"}>
            {result.failed > 0 ? `${count(result.failed)} break the rules` : "None breaks the rules"}
          </span>{" "}
          of {count(result.checked)} {result.done ? "documents" : "documents so far"}
          {total >= 0 && !result.done ? ` (~${count(total)} in all)` : ""}, {duration(result.elapsed_ms)}
        </p>
      ) : null}
      {!work.running && !result?.done && onGoOn ? (
        <div>
          <Button onClick={onGoOn}>Go on where it stopped</Button>
        </div>
      ) : null}
      {result && result.samples.length > 0 ? (
        <ol className="flex flex-col gap-2">
          {result.samples.map((each) => (
            <li key={each.id}>
              <Sample of={each} />
            </li>
          ))}
        </ol>
      ) : null}
      {!result && !work.running && !work.error ? (
        <Empty title={work.stopped ? "Stopped." : "See which documents break the rules before they are set."}>
          A test goes through the collection and changes nothing.
        </Empty>
      ) : null}
    </section>
  );
}

function Sample({ of }: { of: MongoInvalidDocument }) {
  return (
    <details className="rounded-md border bg-surface-100">
      <summary className="cursor-pointer px-3 py-2 text-sm">
        <span className="font-mono text-xs">{line(parse(of.id))}</span>
        <ul className="mt-1 ml-4 list-disc text-text-light">
          {of.broken.map((each) => (
            <li key={`${each.path} ${each.rule}`}>
              <code className="font-mono text-xs text-text">{each.path || "the document"}</code>: {each.rule}{" "}
              <code className="font-mono text-xs">{each.wanted}</code>
            </li>
          ))}
          {of.broken.length === 0 ? <li>the rules as a whole</li> : null}
        </ul>
      </summary>
      {of.document ? (
        <Value node={parse(of.document)} className="border-t p-3" />
      ) : (
        <p className="border-t p-3 text-sm text-text-light">It is too large to show.</p>
      )}
    </details>
  );
}
