import { ApiError } from "@studio-databases/client";
import {
  blobId,
  nameBlob,
  nameOf,
  type RedisName,
  useCopyRedisKey,
  useRenameRedisKey,
} from "@studio-databases/client/react";
import { type FormEvent, useId, useState } from "react";
import { Button, Checkbox, Dialog, Failure, toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";

const WORDS = {
  rename: { title: "Rename the key", action: "Rename", done: "The key is renamed." },
  copy: { title: "Copy the key", action: "Copy", done: "The key is copied." },
} as const;

/** Asks for the other name of a key that is renamed or copied. */
export function NewName({
  kind,
  name,
  open,
  onOpenChange,
  onDone,
}: {
  kind: "rename" | "copy";
  name: RedisName;
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onDone: (name: RedisName) => void;
}) {
  const { id } = useRedis();
  const form = useId();
  const [to, setTo] = useState(() => typed(nameBlob(name)));
  const [overwrite, setOverwrite] = useState(false);
  const rename = useRenameRedisKey(id, name);
  const copy = useCopyRedisKey(id, name);
  const call = kind === "rename" ? rename : copy;
  const words = WORDS[kind];
  const isSame = to.blob !== undefined && blobId(to.blob) === blobId(nameBlob(name));
  const isTaken = call.error instanceof ApiError && call.error.status === 409;

  function submit(event: FormEvent) {
    event.preventDefault();
    if (!to.blob || isSame) return;
    call.mutate(
      { to: nameOf(to.blob), overwrite },
      {
        onSuccess: (result) => {
          toast.done(words.done);
          onOpenChange(false);
          onDone(result);
        },
      },
    );
  }

  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={words.title}
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            form={form}
            disabled={!to.blob || isSame}
            loading={call.isPending}
          >
            {words.action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <BytesField
          label="New name"
          required
          value={to}
          onChange={(next) => {
            setTo(next);
            call.reset();
          }}
        />
        <Checkbox
          label="Replace a key that has this name"
          checked={overwrite}
          onChange={(event) => setOverwrite(event.target.checked)}
        />
        {isTaken ? (
          <p role="alert" className="text-sm text-danger">
            There is a key of this name. Choose another, or replace it.
          </p>
        ) : call.error ? (
          <Failure error={call.error} />
        ) : null}
      </form>
    </Dialog>
  );
}
