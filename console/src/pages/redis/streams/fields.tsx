import type { RedisBlobInput } from "@studio-databases/client/react";
import { Plus, X } from "lucide-react";
import { Button, IconButton } from "@/ui";
import { BytesField, type Typed, typed } from "../bytes-field";

/** Fields of one entry at most. */
const MOST = 1000;

/** A field as it is typed; `id` tells rows apart. */
export interface TypedField {
  id: number;
  field: Typed;
  content: Typed;
}

/** An empty row behind others. */
export function newField(before: readonly TypedField[] = []): TypedField {
  return { id: 1 + Math.max(0, ...before.map((each) => each.id)), field: typed(), content: typed() };
}

/** The fields; undefined while one of them is none. */
export function fieldsOf(
  rows: readonly TypedField[],
): { field: RedisBlobInput; content: RedisBlobInput }[] | undefined {
  const found: { field: RedisBlobInput; content: RedisBlobInput }[] = [];
  for (const { field, content } of rows) {
    if (!field.blob || !content.blob || field.text === "") return undefined;
    found.push({ field: field.blob, content: content.blob });
  }
  return found.length > 0 ? found : undefined;
}

/** Rows of a name and a value each. */
export function FieldRows({
  rows,
  onChange,
}: {
  rows: readonly TypedField[];
  onChange: (rows: TypedField[]) => void;
}) {
  const set = (id: number, change: Partial<TypedField>) =>
    onChange(rows.map((row) => (row.id === id ? { ...row, ...change } : row)));
  return (
    <div className="flex flex-col gap-3">
      {rows.map((row, at) => (
        <fieldset key={row.id} className="flex flex-col gap-2 rounded-md border p-3">
          <legend className="sr-only">Field {at + 1}</legend>
          <div className="flex items-end gap-1">
            <div className="flex-1">
              <BytesField label="Field" value={row.field} onChange={(field) => set(row.id, { field })} />
            </div>
            {rows.length > 1 ? (
              <IconButton
                label={`Leave field ${at + 1} out`}
                className="mb-1"
                onClick={() => onChange(rows.filter((each) => each !== row))}
              >
                <X size={14} aria-hidden />
              </IconButton>
            ) : null}
          </div>
          <BytesField
            label="Value"
            rows={2}
            value={row.content}
            onChange={(content) => set(row.id, { content })}
          />
        </fieldset>
      ))}
      <Button
        className="self-start"
        icon={<Plus size={14} aria-hidden />}
        disabled={rows.length >= MOST}
        onClick={() => onChange([...rows, newField(rows)])}
      >
        Another field
      </Button>
    </div>
  );
}
