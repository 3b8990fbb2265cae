import { nameOf, type RedisName, useClient } from "@studio-databases/client/react";
import { useState } from "react";
import { Field, Input, Select, toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";
import { NO_SPAN, SpanField, spanMs } from "../duration-field";
import { FieldRows, newField } from "../streams/fields";
import { TYPES } from "../type-badge";
import { MembersField } from "../values/members-field";
import { FormPanel } from "../values/panel";
import { createKey, type Draft, NEEDS, typedValue } from "./create";

/** Name, type, expiry, and the first value. */
export function AddKeyForm({
  onClose,
  onAdded,
}: {
  onClose: () => void;
  onAdded: (name: RedisName) => void;
}) {
  const { id, may } = useRedis();
  const client = useClient();
  const [name, setName] = useState(() => typed());
  const [span, setSpan] = useState(NO_SPAN);
  const [draft, setDraft] = useState<Draft>(() => ({
    type: "string",
    content: typed(),
    fields: [newField()],
    members: { typed: typed(), byLine: false },
    score: "0",
    json: "{}",
  }));
  const ttl = spanMs(span);
  const value = typedValue(draft);
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });

  async function add() {
    if (!name.blob || !value) return;
    const key = nameOf(name.blob);
    await createKey(client, id, key, value, ttl);
    toast.done("The key is added.");
    onAdded(key);
  }

  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Add a key"
      action="Add"
      disabled={!name.blob || name.text === "" || !value || Number.isNaN(ttl)}
      onSubmit={add}
    >
      <BytesField label="Name" required value={name} onChange={setName} />
      <Field label="Type">
        {(control) => (
          <Select
            {...control}
            value={draft.type}
            onChange={(event) => set({ type: event.target.value as Draft["type"] })}
          >
            {Object.entries(NEEDS)
              .filter(([, action]) => may(action))
              .map(([type]) => (
                <option key={type} value={type}>
                  {TYPES[type]?.label ?? type}
                </option>
              ))}
          </Select>
        )}
      </Field>
      <SpanField label="Expires in" value={span} onChange={setSpan} />
      <Value draft={draft} set={set} />
    </FormPanel>
  );
}

function Value({ draft, set }: { draft: Draft; set: (change: Partial<Draft>) => void }) {
  switch (draft.type) {
    case "hash":
    case "stream":
      return <FieldRows rows={draft.fields} onChange={(fields) => set({ fields })} />;
    case "list":
    case "set":
    case "zset":
      return (
        <>
          {draft.type === "zset" ? (
            <Field label="Score" hint="A number, inf or -inf.">
              {(control) => (
                <Input
                  {...control}
                  className="font-mono !text-xs"
                  value={draft.score}
                  onChange={(event) => set({ score: event.target.value.trim() })}
                />
              )}
            </Field>
          ) : null}
          <MembersField
            label={draft.type === "list" ? "Item" : "Member"}
            value={draft.members}
            onChange={(members) => set({ members })}
          />
        </>
      );
    case "ReJSON-RL":
      return (
        <BytesField
          label="Document"
          rows={12}
          hint="JSON. The server needs the type: Redis 8, RedisJSON or valkey-json."
          value={typed({ value: draft.json })}
          onChange={(json) => set({ json: json.text })}
        />
      );
    default:
      return (
        <BytesField label="Value" rows={12} value={draft.content} onChange={(content) => set({ content })} />
      );
  }
}
