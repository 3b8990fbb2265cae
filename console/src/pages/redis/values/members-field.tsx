import type { RedisBlobInput } from "@studio-databases/client/react";
import { Checkbox } from "@/ui";
import { BytesField, type Typed } from "../bytes-field";

/** Members or items as they are typed: one, or one a line. */
export interface TypedMembers {
  typed: Typed;
  byLine: boolean;
}

/** Blobs of what is typed; undefined while it is none. */
export function membersOf({ typed, byLine }: TypedMembers): RedisBlobInput[] | undefined {
  if (!typed.blob) return undefined;
  if (!byLine || !("value" in typed.blob)) return [typed.blob];
  const lines = typed.blob.value.split("\n").filter((line) => line !== "");
  return lines.length > 0 ? lines.map((value) => ({ value })) : undefined;
}

export function MembersField({
  label,
  value,
  onChange,
}: {
  label: string;
  value: TypedMembers;
  onChange: (value: TypedMembers) => void;
}) {
  return (
    <>
      <BytesField
        label={label}
        rows={8}
        value={value.typed}
        onChange={(typed) => onChange({ ...value, typed })}
      />
      <Checkbox
        label="Each line is one"
        disabled={value.typed.writing !== "text"}
        checked={value.byLine}
        onChange={(event) => onChange({ ...value, byLine: event.target.checked })}
      />
    </>
  );
}
