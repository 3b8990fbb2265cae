import { useMemo } from "react";
import { array, compact, writeLines } from "@/lib/ejson";
import { Code, Copy } from "@/ui";
import type { Doc } from "./page";

/** The documents of a page as one text. */
export function Json({ documents }: { documents: readonly Doc[] }) {
  const text = useMemo(() => writeLines(array(documents.map((each) => compact(each.node)))), [documents]);
  return (
    <div className="relative flex min-h-0 flex-1 flex-col p-2">
      <div className="absolute top-3 right-5 z-[1]">
        <Copy text={text} label="Copy all of this page" />
      </div>
      <Code
        label="Documents as JSON"
        language="json"
        readOnly
        lint={false}
        className="min-h-0 flex-1"
        value={text}
      />
    </div>
  );
}
