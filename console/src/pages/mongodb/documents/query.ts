/** A query as it was typed, as the server takes it. */

import type { MongoNamespace, MongoQuery } from "@studio-databases/client/react";
import { parse, write } from "@/lib/ejson";
import type { QueryText } from "../search";

export const PAGE_SIZES = [25, 50, 100, 500, 1000];
const DEFAULT_PAGE_SIZE = 50;

/** Milliseconds that a query may take at most; the gateway ends a call after as long. */
export const MAX_TIME_MS = 15_000;

export type QueryField = "filter" | "projection" | "sort" | "collation" | "hint";

const FIELDS: readonly QueryField[] = ["filter", "projection", "sort", "collation", "hint"];

/** What is wrong with it, by field. */
export type QueryErrors = Partial<Record<QueryField, string>>;

/** The query, or what is wrong with its texts. They may be written as MongoDB's shell takes them. */
export function queryOf(of: MongoNamespace, text: QueryText): { query?: MongoQuery; errors: QueryErrors } {
  const errors: QueryErrors = {};
  const read = (field: QueryField): string => {
    const given = text[field]?.trim() ?? "";
    if (!given || (given === "{}" && field !== "hint")) return "";
    if (field === "hint" && !given.startsWith("{")) return JSON.stringify(given);
    try {
      const node = parse(given, true);
      if (node.kind !== "object") throw new Error('This must be a document, such as {"status": "open"}.');
      return write(node);
    } catch (error) {
      errors[field] = error instanceof Error ? error.message : String(error);
      return "";
    }
  };
  const [filter = "", projection = "", sort = "", collation = "", hint = ""] = FIELDS.map(read);
  if (Object.keys(errors).length > 0) return { errors };
  return {
    errors,
    query: {
      ...of,
      filter,
      projection,
      sort,
      collation,
      hint,
      skip: text.skip ?? 0,
      limit: text.limit ?? DEFAULT_PAGE_SIZE,
      maxTimeMs: Math.min(text.maxTimeMs ?? 0, MAX_TIME_MS),
    },
  };
}
