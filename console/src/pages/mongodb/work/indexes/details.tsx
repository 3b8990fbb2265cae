import type { MongoIndex } from "@studio-databases/client/react";
import { get } from "@/lib/ejson";
import { count, moment } from "@/lib/format";
import { Button, type MenuItem, SidePanel } from "@/ui";
import { type Exact, hasContent } from "../exact";
import { Value } from "../parts";
import { IndexMarks } from "./marks";

/** An index with all its options, and how each node used it. */
export function IndexDetails({
  row,
  actions,
  onClose,
}: {
  row: Exact<MongoIndex>;
  /** What may be done with it. */
  actions: readonly MenuItem[];
  onClose: () => void;
}) {
  const key = get(row.node, "key");
  const options = get(row.node, "options");
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={row.data.name}
      footer={
        actions.length > 0
          ? actions.map((each, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: actions don't move
              <Button key={at} kind={each.danger ? "danger" : "default"} onClick={each.onSelect}>
                {each.label}
              </Button>
            ))
          : undefined
      }
    >
      <div className="flex flex-col gap-4 text-sm">
        <IndexMarks index={row.data} />
        {key ? (
          <section>
            <h3 className="mb-1 text-text-light">Keys</h3>
            <Value node={key} />
          </section>
        ) : null}
        {hasContent(options) ? (
          <section>
            <h3 className="mb-1 text-text-light">Options</h3>
            <Value node={options} />
          </section>
        ) : null}
        {row.data.usage.length > 0 ? (
          <section>
            <h3 className="mb-1 text-text-light">Use</h3>
            <ul className="flex flex-col gap-1">
              {row.data.usage.map((each) => (
                <li key={`${each.shard} ${each.node}`}>
                  <span className="font-mono text-xs">{each.node}</span>: {count(each.used)} times
                  {each.since ? ` since ${moment(each.since)}` : ""}
                </li>
              ))}
            </ul>
            <p className="mt-2 text-xs text-text-muted">
              Each node counts for itself, since it was started. Other members of a replica set are not seen
              here.
            </p>
          </section>
        ) : null}
      </div>
    </SidePanel>
  );
}
