import { type RedisName, useRedisChange } from "@studio-databases/client/react";
import { useState } from "react";
import { count } from "@/lib/format";
import { Checkbox, Field, Input, Select, toast } from "@/ui";
import { useRedis } from "../context";
import { FormPanel } from "../values/panel";

/** Removes the oldest entries. */
export function Trim({
  name,
  length,
  onClose,
  onTrimmed,
}: {
  name: RedisName;
  length: number;
  onClose: () => void;
  onTrimmed: () => void;
}) {
  const { id } = useRedis();
  const trim = useRedisChange(id, name, "stream/trim");
  const [by, setBy] = useState<"length" | "id">("length");
  const [text, setText] = useState(String(length));
  const [approximate, setApproximate] = useState(false);
  const most = Number(text);
  const isGood =
    by === "length" ? /^\d+$/.test(text) && Number.isSafeInteger(most) : /^\d+(?:-\d+)?$/.test(text);
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Trim the stream"
      action="Remove the oldest"
      disabled={!isGood}
      onSubmit={async () => {
        const { deleted } = await trim.mutateAsync({
          ...(by === "length" ? { max_length: most } : { min_id: text }),
          approximate,
        });
        toast.done(`${count(deleted)} entries are removed.`);
        onTrimmed();
      }}
    >
      <p className="text-sm text-text-light">
        The oldest of {count(length)} entries are removed. This can't be taken back.
      </p>
      <Field label="Keep">
        {(control) => (
          <Select
            {...control}
            value={by}
            onChange={(event) => {
              setBy(event.target.value === "id" ? "id" : "length");
              setText("");
            }}
          >
            <option value="length">so many of the newest entries</option>
            <option value="id">entries from an id on</option>
          </Select>
        )}
      </Field>
      <Field label={by === "length" ? "Entries" : "Oldest id to keep"}>
        {(control) => (
          <Input
            {...control}
            className="font-mono !text-xs"
            value={text}
            onChange={(event) => setText(event.target.value.trim())}
          />
        )}
      </Field>
      <Checkbox
        label="About so many: much cheaper for the server"
        checked={approximate}
        onChange={(event) => setApproximate(event.target.checked)}
      />
    </FormPanel>
  );
}
