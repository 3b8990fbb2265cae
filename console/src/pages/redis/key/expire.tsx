import { type RedisName, useExpireRedisKey } from "@studio-databases/client/react";
import { type FormEvent, useEffect, useId, useState } from "react";
import { Button, Dialog, Failure, toast } from "@/ui";
import { useRedis } from "../context";
import { SpanField, spanMs, spanOf } from "../duration-field";

/** Sets when a key expires, or that it never does. */
export function ExpireKey({
  name,
  ttlMs,
  open,
  onOpenChange,
}: {
  name: RedisName;
  ttlMs: number;
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const { id } = useRedis();
  const form = useId();
  const expire = useExpireRedisKey(id, name);
  const [span, setSpan] = useState(() => spanOf(ttlMs));
  useEffect(() => {
    if (open) setSpan(spanOf(ttlMs));
  }, [open, ttlMs]);
  const ms = spanMs(span);

  function set(next: number | undefined) {
    expire.mutate(next, {
      onSuccess: () => {
        toast.done(next === undefined ? "The key never expires now." : "The expiry is set.");
        onOpenChange(false);
      },
    });
  }

  function submit(event: FormEvent) {
    event.preventDefault();
    if (!Number.isNaN(ms)) set(ms);
  }

  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="When the key expires"
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Cancel</Button>
          {ttlMs >= 0 ? (
            <Button disabled={expire.isPending} onClick={() => set(undefined)}>
              Never
            </Button>
          ) : null}
          <Button
            kind="primary"
            type="submit"
            form={form}
            disabled={Number.isNaN(ms)}
            loading={expire.isPending}
          >
            Save
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <SpanField label="From now in" hint="Empty for never." value={span} onChange={setSpan} />
        {expire.error ? <Failure error={expire.error} /> : null}
      </form>
    </Dialog>
  );
}
