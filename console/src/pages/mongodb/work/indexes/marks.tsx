import type { MongoIndex } from "@studio-databases/client/react";
import { duration } from "@/lib/format";
import { Badge } from "@/ui";

/** What kind of index it is, in short marks. */
export function IndexMarks({ index }: { index: MongoIndex }) {
  const { work_done: done = -1, work_total: total = -1 } = index.build ?? {};
  return (
    <span className="flex gap-1">
      {index.build ? (
        <span title={index.build.message}>
          <Badge tone="info">building{total > 0 ? ` ${Math.floor((done / total) * 100)} %` : ""}</Badge>
        </span>
      ) : null}
      {index.type === "regular" ? null : <Badge>{index.type}</Badge>}
      {index.unique ? <Badge>unique</Badge> : null}
      {index.sparse ? <Badge>sparse</Badge> : null}
      {index.partial ? <Badge>partial</Badge> : null}
      {index.expire_after_seconds >= 0 ? (
        <Badge>
          {index.expire_after_seconds === 0
            ? "expires at its time"
            : `expires after ${duration(index.expire_after_seconds * 1000)}`}
        </Badge>
      ) : null}
      {index.hidden ? <Badge tone="warning">hidden</Badge> : null}
    </span>
  );
}
