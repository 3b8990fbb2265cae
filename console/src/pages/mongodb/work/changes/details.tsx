import { get } from "@/lib/ejson";
import { moment } from "@/lib/format";
import { Copy, SidePanel } from "@/ui";
import { hasContent, shown } from "../exact";
import { Value } from "../parts";
import type { Change } from "./read";

const PARTS = [
  ["document_key", "Key"],
  ["update_description", "What has changed"],
  ["full_document", "Document"],
  ["full_document_before_change", "Document before"],
  ["more", "More"],
] as const;

/** A change with all that it has. */
export function ChangeDetails({ change, onClose }: { change: Change; onClose: () => void }) {
  const { data, node } = change;
  const to = data.to_collection ? ` to ${data.to_database_name}.${data.to_collection}` : "";
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={data.operation_type}
      description={`${data.database_name}.${data.collection}${to}${data.at_unix_ms < 0 ? "" : `, ${moment(data.at_unix_ms)}`}`}
      wide
    >
      <div className="flex flex-col gap-4">
        {PARTS.map(([name, label]) => {
          const value = get(node, name);
          if (!hasContent(value)) return null;
          return (
            <section key={name}>
              <h3 className="mb-1 flex items-center gap-2 text-sm text-text-light">
                {label} <Copy text={shown(value)} label={`Copy: ${label}`} />
              </h3>
              <Value node={value} className="rounded-md border bg-surface-100 p-3" />
            </section>
          );
        })}
        <section>
          <h3 className="mb-1 flex items-center gap-2 text-sm text-text-light">
            Place in the stream <Copy text={data.resume} label="Copy the place" />
          </h3>
          <code className="block font-mono text-xs break-all text-text-light">{data.resume}</code>
        </section>
      </div>
    </SidePanel>
  );
}
