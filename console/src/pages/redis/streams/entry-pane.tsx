import {
  bytesOf,
  type RedisName,
  type RedisStreamEntry,
  redisKeyId,
  usePatchPages,
  useRedisChange,
} from "@studio-databases/client/react";
import { clsx } from "clsx";
import { Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { Confirm, IconButton, toast } from "@/ui";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";
import { Bytes } from "../name";
import { ElementPane } from "../values/elements";
import { timeOf } from "./entries";

/** The chosen entry: its fields, and the value of one of them. Entries can't be changed, only deleted. */
export function EntryPane({
  name,
  entry,
  onClose,
}: {
  name: RedisName;
  entry: RedisStreamEntry;
  onClose: () => void;
}) {
  const { id, may } = useRedis();
  const [at, setAt] = useState(0);
  const [deleting, setDeleting] = useState(false);
  const remove = useRedisChange(id, name, "stream/delete");
  const patch = usePatchPages<{ entries: RedisStreamEntry[] }>();
  const field = entry.fields[at];
  const bytes = useMemo(() => bytesOf(field?.content ?? {}), [field]);
  return (
    <ElementPane
      label="Entry"
      onClose={onClose}
      title={
        <span>
          <span className="font-mono text-xs">{entry.id}</span>{" "}
          <span className="text-xs text-text-light">{timeOf(entry.id)}</span>
        </span>
      }
    >
      <div className="flex min-h-0 flex-1">
        <ul aria-label="Fields" className="w-44 shrink-0 overflow-y-auto border-r py-1">
          {entry.fields.map((each, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a name may occur twice; fields don't move
            <li key={index}>
              <button
                type="button"
                aria-current={index === at ? "true" : undefined}
                onClick={() => setAt(index)}
                className={clsx(
                  "block w-full truncate px-4 py-1 text-left -outline-offset-2",
                  index === at ? "bg-surface-300" : "hover:bg-surface-200",
                )}
              >
                <Bytes blob={each.field ?? {}} />
              </button>
            </li>
          ))}
        </ul>
        <div className="flex min-w-0 flex-1 flex-col">
          <ValueEditor
            label="Value of the field"
            bytes={bytes}
            actions={
              may("redis.stream.delete") ? (
                <IconButton label="Delete the entry" onClick={() => setDeleting(true)}>
                  <Trash2 size={14} aria-hidden />
                </IconButton>
              ) : null
            }
          />
        </div>
      </div>
      <Confirm
        open={deleting}
        onOpenChange={setDeleting}
        title="Delete this entry?"
        action="Delete"
        onConfirm={async () => {
          await remove.mutateAsync({ ids: [entry.id] });
          patch(redisKeyId(id, name, "stream", "entries"), (page) => ({
            ...page,
            entries: page.entries.filter((each) => each.id !== entry.id),
          }));
          toast.done("The entry is deleted.");
          onClose();
        }}
      >
        <p className="font-mono text-xs text-text">{entry.id}</p>
        <p>Groups that have it pending keep its id until it is acknowledged.</p>
      </Confirm>
    </ElementPane>
  );
}
