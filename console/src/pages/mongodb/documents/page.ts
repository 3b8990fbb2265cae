/** Documents as the page keeps them. */

import type { MongoDocumentRef, MongoNamespace } from "@studio-databases/client/react";
import { array, compact, get, type Node, parse, stringOf, write, writeSpaced } from "@/lib/ejson";

export interface Doc {
  /** What the server has, canonical. */
  node: Node;
  /** The text of its `_id`; undefined where it has none: of a view, or left out by the projection. */
  id: string | undefined;
  /** Tells it from the others of its page. */
  key: string;
}

export interface Page {
  documents: readonly Doc[];
  next: string;
}

function docOf(node: Node, index: number): Doc {
  const id = get(node, "_id");
  const text = id ? write(id) : undefined;
  // Documents of a view may share an `_id`.
  return { node, id: text, key: `${index} ${text ?? ""}` };
}

/** What people call a document by: its `_id`. */
export function nameOf({ node }: Doc): string {
  const id = get(node, "_id");
  return id ? writeSpaced(compact(id)) : "without _id";
}

const itemsOf = (node: Node | undefined) => (node?.kind === "array" ? node.items : []);

export function readPage(text: string): Page {
  const answer = parse(text);
  return {
    documents: itemsOf(get(answer, "documents")).map(docOf),
    next: stringOf(get(answer, "next_page_token")) ?? "",
  };
}

export function readDocument(text: string): Node {
  return get(parse(text), "document") ?? array([]);
}

/** By which a document is changed or deleted: only while it is still what was read. */
export function refOf(of: MongoNamespace, document: Node): MongoDocumentRef | undefined {
  const id = get(document, "_id");
  return id ? { ...of, id: write(id), expected: write(document) } : undefined;
}

/** What many changes did, or would do. */
export interface ManyReport {
  matched: number;
  changed: number;
  precision: string;
  samples: readonly { before: Node; after: Node | undefined }[];
  withoutAfter: boolean;
}

export function readMany(text: string): ManyReport {
  const answer = parse(text);
  const count = (name: string) => {
    const found = get(answer, name);
    return found?.kind === "number" ? Number(found.text) : 0;
  };
  const withoutAfter = get(answer, "without_after");
  return {
    matched: count("matched_count"),
    changed: count("modified_count") + count("deleted_count"),
    precision: stringOf(get(answer, "precision")) ?? "",
    withoutAfter: withoutAfter?.kind === "literal" && withoutAfter.value === true,
    samples: itemsOf(get(answer, "samples")).map((each) => {
      const before = get(each, "before");
      const after = get(each, "after");
      // Of a deletion the documents themselves.
      return before && get(answer, "modified_count")
        ? { before, after: after?.kind === "object" ? after : undefined }
        : { before: each, after: undefined };
    }),
  };
}
