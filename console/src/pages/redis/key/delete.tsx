import { nameBlob, type RedisName, readable, useDeleteRedisKey } from "@studio-databases/client/react";
import { Confirm, toast } from "@/ui";
import { useRedis } from "../context";

/** Asks before a key is deleted. */
export function DeleteKey({
  name,
  open,
  onOpenChange,
  onDeleted,
}: {
  name: RedisName;
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onDeleted: () => void;
}) {
  const { id } = useRedis();
  const remove = useDeleteRedisKey(id, name);
  return (
    <Confirm
      open={open}
      onOpenChange={onOpenChange}
      title="Delete this key?"
      action="Delete"
      onConfirm={async () => {
        const { deleted } = await remove.mutateAsync();
        toast.done(deleted > 0 ? "The key is deleted." : "The key was gone already.");
        onDeleted();
      }}
    >
      <p className="font-mono text-xs break-all text-text">{readable(nameBlob(name))}</p>
      <p>Its value goes with it. This can't be taken back.</p>
    </Confirm>
  );
}
