import { inputOf, type RedisBlob, type RedisName, useRedisChange } from "@studio-databases/client/react";
import { useState } from "react";
import { Field, Select, toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";
import { FormPanel } from "./panel";

/** Inserts an item beside one; Redis finds that by its value. */
export function InsertItem({
  name,
  pivot,
  onClose,
  onInserted,
}: {
  name: RedisName;
  pivot: RedisBlob;
  onClose: () => void;
  onInserted: () => void;
}) {
  const { id } = useRedis();
  const insert = useRedisChange(id, name, "list/insert");
  const [where, setWhere] = useState("before");
  const [content, setContent] = useState(() => typed());
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Insert an item"
      action="Insert"
      disabled={!content.blob}
      onSubmit={async () => {
        if (!content.blob) return;
        await insert.mutateAsync({
          pivot: inputOf(pivot),
          content: content.blob,
          before: where === "before",
        });
        toast.done("The item is inserted.");
        onInserted();
      }}
    >
      <p className="text-sm text-text-light">
        Redis looks for the item by its value: where several are equal, the first one counts.
      </p>
      <Field label="Where">
        {(control) => (
          <Select {...control} value={where} onChange={(event) => setWhere(event.target.value)}>
            <option value="before">Before the chosen item</option>
            <option value="after">After the chosen item</option>
          </Select>
        )}
      </Field>
      <BytesField label="Item" rows={8} value={content} onChange={setContent} />
    </FormPanel>
  );
}
