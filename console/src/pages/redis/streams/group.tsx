import {
  blobId,
  inputOf,
  type RedisBlob,
  type RedisName,
  readable,
  useRedisChange,
  useRedisConsumers,
} from "@studio-databases/client/react";
import { clsx } from "clsx";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { count, duration } from "@/lib/format";
import { Confirm, Failure, IconButton, Loading, toast } from "@/ui";
import { useRedis } from "../context";
import { Bytes } from "../name";
import { Pending } from "./pending";

/** A consumer group: its consumers beside what they have not acknowledged. */
export function GroupView({
  name,
  group,
  onChanged,
}: {
  name: RedisName;
  group: RedisBlob;
  onChanged: () => Promise<void>;
}) {
  const { id, may } = useRedis();
  const [consumer, setConsumer] = useState<RedisBlob>();
  const [deleting, setDeleting] = useState<RedisBlob>();
  const found = useRedisConsumers(id, name, group);
  const remove = useRedisChange(id, name, "stream/consumers/delete");
  const chosen = consumer ? blobId(consumer) : "";
  return (
    <section aria-label="Group" className="flex min-h-0 flex-[2] border-t">
      <div className="w-56 shrink-0 overflow-y-auto border-r text-xs">
        <h3 className="border-b bg-surface-200 px-3 py-1.5 text-text-light">Consumers</h3>
        {found.isPending ? <Loading /> : null}
        {found.isError ? (
          <Failure className="m-2" error={found.error} onRetry={() => found.refetch()} />
        ) : null}
        <ul>
          <Choice isOn={chosen === ""} onChoose={() => setConsumer(undefined)}>
            All
          </Choice>
          {found.data?.consumers.map((each) => {
            const consumerName = each.name ?? { full_length: 0 };
            return (
              <Choice
                key={blobId(consumerName)}
                isOn={blobId(consumerName) === chosen}
                onChoose={() => setConsumer(consumerName)}
                action={
                  may("redis.stream.consumer_delete") ? (
                    <IconButton
                      label={`Delete consumer ${readable(consumerName)}`}
                      onClick={() => setDeleting(consumerName)}
                    >
                      <Trash2 size={12} aria-hidden />
                    </IconButton>
                  ) : null
                }
              >
                <Bytes blob={consumerName} className="block truncate" />
                <span className="block text-text-muted">
                  {count(each.pending)} pending, idle {duration(each.idle_ms)}
                </span>
              </Choice>
            );
          })}
        </ul>
      </div>
      <Pending name={name} group={group} consumer={consumer} onChanged={onChanged} />
      <Confirm
        open={deleting !== undefined}
        onOpenChange={() => setDeleting(undefined)}
        title="Delete this consumer?"
        action="Delete"
        onConfirm={async () => {
          const { pending } = await remove.mutateAsync({
            group: inputOf(group),
            consumer: inputOf(deleting ?? {}),
          });
          toast.done(pending > 0 ? `Deleted; ${count(pending)} pending entries are lost.` : "Deleted.");
          setConsumer(undefined);
          await onChanged();
        }}
      >
        <p className="font-mono text-xs break-all text-text">{readable(deleting ?? {})}</p>
        <p>What it has pending is lost to the group. Claim it for another consumer before.</p>
      </Confirm>
    </section>
  );
}

function Choice({
  isOn,
  onChoose,
  action,
  children,
}: {
  isOn: boolean;
  onChoose: () => void;
  action?: React.ReactNode;
  children: React.ReactNode;
}) {
  return (
    <li className={clsx("flex items-center pr-1", isOn ? "bg-surface-300" : "hover:bg-surface-200")}>
      <button
        type="button"
        aria-current={isOn ? "true" : undefined}
        onClick={onChoose}
        className="min-w-0 flex-1 px-3 py-1.5 text-left -outline-offset-2"
      >
        {children}
      </button>
      {action}
    </li>
  );
}
