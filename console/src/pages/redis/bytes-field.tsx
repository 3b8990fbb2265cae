import { blobOf, bytesOf, type Content, fromBase64, toBase64 } from "@studio-databases/client/react";
import { parseHex, toHex } from "@/lib/hex";
import { Field, Input, Select, TextArea } from "@/ui";

type Writing = "text" | "hex" | "base64";

/** Bytes as they are typed: `blob` is missing while they are none. */
export interface Typed {
  writing: Writing;
  text: string;
  blob: { value: string } | { value_base64: string } | undefined;
  error: string | undefined;
}

/** What is typed, to begin with. */
export function typed(blob: Content = { value: "" }): Typed {
  if (blob.value_base64) return read("base64", blob.value_base64);
  return read("text", blob.value ?? "");
}

function read(writing: Writing, text: string): Typed {
  if (writing === "text") return { writing, text, blob: { value: text }, error: undefined };
  try {
    const bytes = writing === "hex" ? parseHex(text) : fromBase64(text.trim());
    return { writing, text, blob: blobOf(bytes), error: undefined };
  } catch (error) {
    const why = writing === "hex" && error instanceof Error ? error.message : "This is no base64.";
    return { writing, text, blob: undefined, error: why };
  }
}

/** The same bytes written otherwise; what is no text stays as it is. */
function rewritten(now: Typed, writing: Writing): Typed {
  if (now.blob === undefined) return read(writing, "");
  const bytes = bytesOf(now.blob);
  if (writing === "hex") return read("hex", toHex(bytes).replaceAll("\n", " "));
  if (writing === "base64") return read("base64", toBase64(bytes));
  return "value" in now.blob ? read("text", now.blob.value) : now;
}

/** A field for bytes: a name, a member, a short value. */
export function BytesField({
  label,
  value,
  onChange,
  rows = 1,
  hint,
  required,
}: {
  label: string;
  value: Typed;
  onChange: (value: Typed) => void;
  /** More than one for values that may have lines. */
  rows?: number;
  hint?: string;
  required?: boolean;
}) {
  return (
    <Field label={label} error={value.error} hint={hint}>
      {(control) => {
        const shared = {
          ...control,
          value: value.text,
          spellCheck: false,
          autoComplete: "off",
          required: required ?? false,
          className: "font-mono !text-xs",
        };
        const set = (text: string) => onChange(read(value.writing, text));
        return (
          <div className="flex items-start gap-1.5">
            {rows > 1 ? (
              <TextArea {...shared} rows={rows} onChange={(event) => set(event.target.value)} />
            ) : (
              <Input {...shared} onChange={(event) => set(event.target.value)} />
            )}
            <Select
              aria-label={`${label}: written as`}
              className="!w-24 shrink-0 !px-2 !text-xs"
              value={value.writing}
              onChange={(event) => onChange(rewritten(value, event.target.value as Writing))}
            >
              <option value="text">Text</option>
              <option value="hex">Hex</option>
              <option value="base64">Base64</option>
            </Select>
          </div>
        );
      }}
    </Field>
  );
}
