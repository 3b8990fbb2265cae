import { type RedisName, type RedisStreamEntry, useRedisChange } from "@studio-databases/client/react";
import { useState } from "react";
import { Field, Input, toast } from "@/ui";
import { typed } from "../bytes-field";
import { useRedis } from "../context";
import { FormPanel } from "../values/panel";
import { FieldRows, fieldsOf, newField, type TypedField } from "./fields";

/** Adds an entry; its fields begin with the names that the last one has. */
export function AddEntry({
  name,
  like,
  onClose,
  onAdded,
}: {
  name: RedisName;
  like: RedisStreamEntry | undefined;
  onClose: () => void;
  onAdded: () => void;
}) {
  const { id } = useRedis();
  const add = useRedisChange(id, name, "stream/add");
  const [entryId, setEntryId] = useState("*");
  const [rows, setRows] = useState<TypedField[]>(() =>
    like
      ? like.fields.map((each, at) => ({ id: at + 1, field: typed(each.field), content: typed() }))
      : [newField()],
  );
  const fields = fieldsOf(rows);
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Add an entry"
      action="Add"
      disabled={!fields}
      onSubmit={async () => {
        const added = await add.mutateAsync({ fields: fields ?? [], id: entryId.trim() });
        toast.done(`Added as ${added.id}.`);
        onAdded();
      }}
    >
      <Field label="Id" hint="* lets the server choose; else greater than the last one.">
        {(control) => (
          <Input
            {...control}
            className="font-mono !text-xs"
            value={entryId}
            onChange={(event) => setEntryId(event.target.value)}
          />
        )}
      </Field>
      <FieldRows rows={rows} onChange={setRows} />
    </FormPanel>
  );
}
