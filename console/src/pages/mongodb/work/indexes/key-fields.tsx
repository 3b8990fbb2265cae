import { type MongoNamespace, useMongoFields } from "@studio-databases/client/react";
import { Plus, Trash2 } from "lucide-react";
import { useId } from "react";
import { Button, IconButton, Input, Select } from "@/ui";
import { type Key, KIND_LABELS, KINDS } from "./keys";

/** The fields of an index in their order, each with its kind. */
export function KeyFields({
  databaseId,
  of,
  keys,
  onChange,
}: {
  databaseId: string;
  of: MongoNamespace;
  keys: readonly Key[];
  onChange: (keys: readonly Key[]) => void;
}) {
  const list = useId();
  const fields = useMongoFields(databaseId, of, true);
  const paths = [...new Set((fields.data ?? []).map((each) => each.names.join(".")))];
  const change = (at: number, next: Partial<Key>) =>
    onChange(keys.map((each, index) => (index === at ? { ...each, ...next } : each)));
  return (
    <fieldset className="flex flex-col gap-1.5">
      <legend className="mb-1.5 text-sm text-text-light">Fields, in their order</legend>
      <datalist id={list}>
        {paths.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      {keys.map((key, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a field has no other identity while it is typed
        <div key={index} className="flex gap-2">
          <Input
            aria-label={`Field ${index + 1}`}
            className="font-mono !text-xs"
            placeholder="address.city, or $** for all"
            list={list}
            spellCheck={false}
            value={key.field}
            onChange={(event) => change(index, { field: event.target.value })}
          />
          <Select
            aria-label={`Kind of field ${index + 1}`}
            className="!w-36"
            value={key.kind}
            onChange={(event) => change(index, { kind: event.target.value })}
          >
            {KINDS.map((kind) => (
              <option key={kind} value={kind}>
                {KIND_LABELS[kind]}
              </option>
            ))}
          </Select>
          <IconButton
            label={`Remove field ${index + 1}`}
            disabled={keys.length === 1}
            onClick={() => onChange(keys.filter((_, at) => at !== index))}
          >
            <Trash2 size={13} aria-hidden />
          </IconButton>
        </div>
      ))}
      <div>
        <Button
          kind="text"
          icon={<Plus size={13} aria-hidden />}
          onClick={() => onChange([...keys, { field: "", kind: "1" }])}
        >
          Field
        </Button>
      </div>
    </fieldset>
  );
}
