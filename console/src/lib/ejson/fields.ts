/** The fields of documents, for completion and for the columns of a table. */

import type { Node } from "./ast";
import { type BsonType, isContainer, typeOf } from "./types";

const MAX_FIELDS = 500;
const MAX_DEPTH = 6;
const MAX_ITEMS = 20;

/** Paths as queries write them (`items.price`), with the types that their values have. */
export function fieldsOf(documents: readonly Node[]): ReadonlyMap<string, ReadonlySet<BsonType>> {
  const found = new Map<string, Set<BsonType>>();
  const visit = (node: Node, path: string, depth: number): void => {
    if (depth > MAX_DEPTH || !isContainer(node)) return;
    if (node.kind === "array") {
      for (const item of node.items.slice(0, MAX_ITEMS)) visit(item, path, depth + 1);
    } else if (node.kind === "object") {
      for (const { name, value } of node.members) {
        const below = path ? `${path}.${name}` : name;
        const types = found.get(below);
        if (types) types.add(typeOf(value));
        else if (found.size < MAX_FIELDS) found.set(below, new Set([typeOf(value)]));
        visit(value, below, depth + 1);
      }
    }
  };
  for (const document of documents) visit(document, "", 0);
  return found;
}

/** Names of the outermost fields, in the order in which they come; `most` at most. */
export function columnsOf(documents: readonly Node[], most: number): string[] {
  const found = new Set<string>();
  for (const document of documents) {
    if (document.kind !== "object") continue;
    for (const { name } of document.members) {
      if (found.size >= most) return [...found];
      found.add(name);
    }
  }
  return [...found];
}
