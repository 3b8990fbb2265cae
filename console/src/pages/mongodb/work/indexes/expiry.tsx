import { type MongoIndex, type MongoNamespace, useModifyMongoIndex } from "@studio-databases/client/react";
import { useState } from "react";
import { duration } from "@/lib/format";
import { Button, Dialog, Failure, Field, Input, toast } from "@/ui";

/** Whether documents can expire by an index: one with a single field in order.
 * https://www.mongodb.com/docs/manual/core/index-ttl/ */
export function canExpire(index: MongoIndex, fields: number): boolean {
  return index.name !== "_id_" && !index.build && fields === 1 && index.type === "regular";
}

/** Changes after which time documents expire, or has them begin to. */
export function Expiry({
  databaseId,
  of,
  index,
  onClose,
}: {
  databaseId: string;
  of: MongoNamespace;
  index: MongoIndex;
  onClose: () => void;
}) {
  const has = index.expire_after_seconds >= 0;
  const [text, setText] = useState(has ? String(index.expire_after_seconds) : "");
  const modify = useModifyMongoIndex(databaseId, of);
  const isWrong = !/^\d{1,10}$/.test(text) || Number(text) > 2 ** 31 - 1;

  function save() {
    if (isWrong) return;
    modify.mutate(
      { name: index.name, expire_after_seconds: Number(text) },
      {
        onSuccess: () => {
          toast.done(`Documents expire ${after(Number(text))}.`);
          onClose();
        },
      },
    );
  }

  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={has ? "Change when documents expire" : "Have documents expire"}
      description={`By the index ${index.name} of ${of.databaseName}.${of.collection}`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" disabled={isWrong} loading={modify.isPending} onClick={save}>
            {has ? "Change it" : "Have them expire"}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4 text-sm text-text-light">
        <Field
          label="Seconds after the time in the field"
          hint={isWrong ? undefined : `That is ${after(Number(text))}.`}
          error={
            text && isWrong ? "This must be a whole number of seconds, 2,147,483,647 at most." : undefined
          }
        >
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              value={text}
              onChange={(event) => setText(event.target.value.trim())}
              onKeyDown={(event) => event.key === "Enter" && save()}
            />
          )}
        </Field>
        <p>
          The server deletes documents whose time has passed, within a minute or so. They can't be brought
          back.
          {has ? " To have none expire any more, drop the index and build it without an expiry." : ""}
        </p>
        {modify.isError ? <Failure error={modify.error} /> : null}
      </div>
    </Dialog>
  );
}

function after(seconds: number): string {
  return seconds === 0
    ? "at the time in the field"
    : `${duration(seconds * 1000)} after the time in the field`;
}
