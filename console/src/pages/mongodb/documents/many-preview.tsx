import { compact, writeLines } from "@/lib/ejson";
import { Diff } from "./diff";
import { type ManyKind, matchedOf } from "./many";
import type { ManyReport } from "./page";

/** What changing many documents would do, with some of them. */
export function ManyPreview({ report, kind }: { report: ManyReport; kind: ManyKind }) {
  const { samples, matched, withoutAfter } = report;
  return (
    <section aria-label="Preview" className="flex flex-col gap-2">
      <p role="status" className="text-sm">
        {matched === 0
          ? "No document matches."
          : `${matchedOf(report)} would be ${kind === "update" ? "updated" : "deleted"}.`}
        {samples.length > 0 && samples.length < matched ? ` The first ${samples.length} of them:` : ""}
      </p>
      {withoutAfter ? (
        <p className="text-xs text-text-light">
          This server has no transactions, so it can't show what they would become.
        </p>
      ) : null}
      {samples.map(({ before, after }, index) =>
        after ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: samples don't move
          <Diff key={index} before={before} after={after} />
        ) : (
          <pre
            // biome-ignore lint/suspicious/noArrayIndexKey: samples don't move
            key={index}
            className="max-h-48 overflow-auto rounded-md border bg-surface-100 p-2 font-mono text-xs break-all whitespace-pre-wrap"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be reached by keyboard
            tabIndex={0}
          >
            {writeLines(compact(before))}
          </pre>
        ),
      )}
    </section>
  );
}
