import { useMemo } from "react";
import { array, compact, writeLines } from "@/lib/ejson";
import { bytes } from "@/lib/format";
import { Code, Copy, Empty } from "@/ui";
import type { Doc } from "./page";

/** Characters that are shown as one text: with more the browser stands still. */
const MOST_SHOWN = 5_000_000;

/** The documents of a page as one text. */
export function Json({ documents }: { documents: readonly Doc[] }) {
  const text = useMemo(() => writeLines(array(documents.map((each) => compact(each.node)))), [documents]);
  if (text.length > MOST_SHOWN) {
    return (
      <Empty title="These documents are too large to be shown as one text." action={<Copy text={text} />}>
        They have {bytes(text.length)}. Ask for fewer on a page, or see them in the list.
      </Empty>
    );
  }
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
