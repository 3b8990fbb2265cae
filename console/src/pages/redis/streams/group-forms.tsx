import {
  inputOf,
  type RedisName,
  type RedisStreamGroup,
  useRedisChange,
} from "@studio-databases/client/react";
import { useState } from "react";
import { Field, Input, toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";
import { FormPanel } from "../values/panel";

interface FormProps {
  name: RedisName;
  onClose: () => void;
  onDone: () => Promise<void>;
}

/** From which entry on a group reads. */
function Start({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <Field label="Reads after" hint="An id; $ for entries from now on, 0 for all.">
      {(control) => (
        <Input
          {...control}
          className="font-mono !text-xs"
          value={value}
          onChange={(event) => onChange(event.target.value.trim())}
        />
      )}
    </Field>
  );
}

/** Adds a consumer group. */
export function CreateGroup({ name, onClose, onDone }: FormProps) {
  const { id } = useRedis();
  const create = useRedisChange(id, name, "stream/groups/create");
  const [group, setGroup] = useState(() => typed());
  const [start, setStart] = useState("$");
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Add a consumer group"
      action="Add"
      disabled={!group.blob || group.text === ""}
      onSubmit={async () => {
        if (!group.blob) return;
        await create.mutateAsync({ group: group.blob, start });
        toast.done("The group is added.");
        await onDone();
      }}
    >
      <BytesField label="Name" required value={group} onChange={setGroup} />
      <Start value={start} onChange={setStart} />
    </FormPanel>
  );
}

/** Moves a group to another entry. */
export function MoveGroup({ name, group, onClose, onDone }: FormProps & { group: RedisStreamGroup }) {
  const { id } = useRedis();
  const move = useRedisChange(id, name, "stream/groups/position");
  const [start, setStart] = useState(group.last_delivered_id);
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Move the group"
      action="Move"
      disabled={start === ""}
      onSubmit={async () => {
        await move.mutateAsync({ group: inputOf(group.name ?? {}), start });
        toast.done("The group is moved.");
        await onDone();
      }}
    >
      <p className="text-sm text-text-light">
        The group is given entries after this one next. What it has pending stays pending.
      </p>
      <Start value={start} onChange={setStart} />
    </FormPanel>
  );
}
