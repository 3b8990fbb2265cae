/** The keys of an index, as they are built and shown. */

import { canonical, type Node, object, parse, string, textOf, write } from "@/lib/ejson";

export const KINDS = ["1", "-1", "text", "2dsphere", "2d", "hashed"] as const;

export interface Key {
  field: string;
  /** One of `KINDS`, or what an index of the server has. */
  kind: string;
}

export const KIND_LABELS: Readonly<Record<string, string>> = {
  "1": "ascending",
  "-1": "descending",
  text: "text",
  "2dsphere": "2dsphere",
  "2d": "2d",
  hashed: "hashed",
};

/** The keys of a document such as `{"city": 1}`. */
export function keysOf(node: Node): Key[] {
  return node.kind === "object"
    ? node.members.map(({ name, value }) => ({ field: name, kind: textOf(value) }))
    : [];
}

/** The keys as they are sent; those without a field are left out. */
export function keyText(keys: readonly Key[]): string {
  const members = keys
    .filter((each) => each.field)
    .map(({ field, kind }) => ({
      name: field,
      value: /^-?1$/.test(kind) ? canonical(parse(kind)) : string(kind),
    }));
  return write(object(members));
}

/** In a line: `city ↑, placed_at ↓, place 2dsphere`. */
export function keyLine(keys: readonly Key[]): string {
  return keys
    .map(({ field, kind }) => {
      const way = Number(kind);
      if (Number.isNaN(way)) return `${field} ${kind}`;
      return `${field} ${way < 0 ? "↓" : "↑"}`;
    })
    .join(", ");
}
