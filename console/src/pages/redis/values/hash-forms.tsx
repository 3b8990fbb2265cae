import { ApiError } from "@studio-databases/client";
import { blobId, inputOf, type RedisName, useRedisChange } from "@studio-databases/client/react";
import { useState } from "react";
import { toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";
import { NO_SPAN, SpanField, spanMs, spanOf } from "../duration-field";
import type { Field } from "./hash";
import { FormPanel } from "./panel";

/** Adds a field; one of this name is left alone. */
export function AddField({
  name,
  onClose,
  onAdded,
}: {
  name: RedisName;
  onClose: () => void;
  /** Told which field, by its `blobId`. */
  onAdded: (id: string) => void;
}) {
  const { id } = useRedis();
  const set = useRedisChange(id, name, "hash/set");
  const [field, setField] = useState(() => typed());
  const [content, setContent] = useState(() => typed());
  const [span, setSpan] = useState(NO_SPAN);
  const ttl = spanMs(span);

  async function add() {
    if (!field.blob || !content.blob) return;
    const expiry = ttl === undefined ? {} : { ttl_ms: ttl };
    try {
      await set.mutateAsync({
        fields: [{ field: field.blob, content: content.blob, absent: true, ...expiry }],
      });
    } catch (error) {
      const isTaken = error instanceof ApiError && error.status === 409;
      throw isTaken ? new Error("There is a field of this name.") : error;
    }
    toast.done("The field is added.");
    onAdded(blobId(field.blob));
  }

  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Add a field"
      action="Add"
      disabled={!field.blob || !content.blob || Number.isNaN(ttl)}
      onSubmit={add}
    >
      <BytesField label="Field" value={field} onChange={setField} />
      <BytesField label="Value" rows={8} value={content} onChange={setContent} />
      <SpanField
        label="Expires in"
        hint="Redis 7.4 and Valkey 9 know when a single field expires; leave it empty on others."
        value={span}
        onChange={setSpan}
      />
    </FormPanel>
  );
}

/** Sets when a field expires. */
export function ExpireField({
  name,
  field,
  onClose,
  onDone,
}: {
  name: RedisName;
  field: Field;
  onClose: () => void;
  onDone: () => void;
}) {
  const { id } = useRedis();
  const expire = useRedisChange(id, name, "hash/expire");
  const [span, setSpan] = useState(() => spanOf(field.expiresAt < 0 ? -1 : field.expiresAt - Date.now()));
  const ttl = spanMs(span);

  async function save() {
    const { results } = await expire.mutateAsync({
      fields: [inputOf(field.field ?? {})],
      ...(ttl === undefined ? {} : { ttl_ms: ttl }),
    });
    if (results[0] === -2) throw new Error("The field is gone.");
    toast.done(ttl === undefined ? "The field never expires now." : "The expiry is set.");
    onDone();
  }

  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="When the field expires"
      action="Save"
      disabled={Number.isNaN(ttl)}
      onSubmit={save}
    >
      <SpanField label="From now in" hint="Empty for never." value={span} onChange={setSpan} />
    </FormPanel>
  );
}
