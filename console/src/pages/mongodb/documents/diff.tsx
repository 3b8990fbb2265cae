import { clsx } from "clsx";
import { useMemo } from "react";
import { type DiffLine, diffLines } from "@/lib/diff";
import { compact, type Node, writeLines } from "@/lib/ejson";
import { count } from "@/lib/format";

/** Lines around a change that are shown. */
const CONTEXT = 3;
const MOST_LINES = 2000;
/** Characters of a line that are shown. */
const LONGEST_LINE = 5_000;
const SIGNS = { same: " ", removed: "−", added: "+" } as const;

/** What changes between two documents. */
export function Diff({ before, after }: { before: Node; after: Node }) {
  const lines = useMemo(() => {
    return shortened(diffLines(writeLines(compact(before)), writeLines(compact(after))));
  }, [before, after]);
  return (
    <pre
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be reached by keyboard
      tabIndex={0}
      role="group"
      aria-label="Changes"
      className="overflow-auto rounded-md border bg-surface-100 py-1 font-mono text-xs"
    >
      {lines.slice(0, MOST_LINES).map((line, index) =>
        line === null ? (
          // biome-ignore lint/suspicious/noArrayIndexKey: lines don't move
          <div key={index} className="px-2 text-text-muted">
            ⋯
          </div>
        ) : (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: lines don't move
            key={index}
            className={clsx(
              "px-2 whitespace-pre-wrap break-all",
              line.kind === "removed" && "bg-danger-surface text-danger",
              line.kind === "added" && "text-brand-text",
            )}
          >
            <span className="mr-2 select-none">{SIGNS[line.kind]}</span>
            {line.text.slice(0, LONGEST_LINE)}
            {line.text.length > LONGEST_LINE ? (
              <span className="text-text-muted">
                {" "}
                … {count(line.text.length - LONGEST_LINE)} characters more
              </span>
            ) : null}
          </div>
        ),
      )}
    </pre>
  );
}

/** Without the lines far from any change; null stands for them. */
function shortened(lines: readonly DiffLine[]): (DiffLine | null)[] {
  const near = new Set<number>();
  lines.forEach((line, index) => {
    if (line.kind === "same") return;
    for (let at = index - CONTEXT; at <= index + CONTEXT; at += 1) near.add(at);
  });
  return lines.flatMap((line, index): (DiffLine | null)[] => {
    if (near.has(index)) return [line];
    return index === 0 || near.has(index - 1) ? [null] : [];
  });
}
