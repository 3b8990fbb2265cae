/** Which keys work on many keys is about, as it is typed. */

import { blobOf, type RedisSelection } from "@studio-databases/client/react";

/** Keys of a list at most, as the contract has it. */
const MOST_KEYS = 10_000;

export interface Choice {
  by: "pattern" | "list";
  pattern: string;
  type: string;
  /** A key a line; `"…"` with the escapes of redis-cli for what is no plain text. */
  list: string;
}

const ESCAPED: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };
const encoder = new TextEncoder();

/** The selection that is meant, or why there is none. */
export function selectionOf(choice: Choice): RedisSelection | string {
  const type = choice.type ? { type: choice.type } : {};
  if (choice.by === "pattern") {
    const { pattern } = choice;
    return pattern ? { pattern: { value: pattern }, ...type } : "Give a pattern; * is every key.";
  }
  const lines = choice.list.split(/\r?\n/).filter((line) => line !== "");
  if (lines.length === 0) return "Give at least one key.";
  if (lines.length > MOST_KEYS) return `A list holds ${MOST_KEYS.toLocaleString("en")} keys at most.`;
  return { keys: lines.map((line) => blobOf(unquoted(line))), ...type };
}

/** How a selection reads in a sentence: `every string that matches user:*`. */
export function inWords(selection: RedisSelection, typeName: (type: string) => string): string {
  const kind = selection.type ? ` of type ${typeName(selection.type)}` : "";
  if (selection.keys?.length) {
    const many = selection.keys.length;
    return `${many.toLocaleString("en")} listed ${many === 1 ? "key" : "keys"}${kind}`;
  }
  const pattern = selection.pattern?.value ?? "";
  return pattern === "*" ? `every key${kind}` : `keys${kind} that match ${pattern}`;
}

/** The bytes of a line: as they stand, or in quotes with `\n`, `\xff` and so on. */
export function unquoted(line: string): Uint8Array {
  if (!/^".*"$/.test(line) || line.length < 2) return encoder.encode(line);
  const bytes: number[] = [];
  for (const [part, hex, char] of line.slice(1, -1).matchAll(/\\x([0-9a-fA-F]{2})|\\(.)|[^\\]+/gu)) {
    if (hex) bytes.push(Number.parseInt(hex, 16));
    else if (char) bytes.push(...(ESCAPED[char] ? [ESCAPED[char]] : encoder.encode(char)));
    else bytes.push(...encoder.encode(part));
  }
  return Uint8Array.from(bytes);
}
