/** What stands in the address of a MongoDB page. */

export const LAYOUTS = ["list", "table", "json"] as const;
export type Layout = (typeof LAYOUTS)[number];

/** A query as it was typed. */
export interface QueryText {
  filter?: string | undefined;
  projection?: string | undefined;
  sort?: string | undefined;
  collation?: string | undefined;
  hint?: string | undefined;
  skip?: number | undefined;
  limit?: number | undefined;
  maxTimeMs?: number | undefined;
}

export interface MongoSearch extends QueryText {
  view?: string | undefined;
  /** What of a view that has several parts. */
  part?: string | undefined;
  db?: string | undefined;
  collection?: string | undefined;
  layout?: Layout | undefined;
}

const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);
const whole = (value: unknown) =>
  Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : undefined;

/** Reads the address, in which anything may stand. */
export function mongoSearch(given: Record<string, unknown>): MongoSearch {
  return {
    view: text(given.view),
    part: text(given.part),
    db: text(given.db),
    collection: text(given.collection),
    layout: LAYOUTS.find((each) => each === given.layout),
    filter: text(given.filter),
    projection: text(given.projection),
    sort: text(given.sort),
    collation: text(given.collation),
    hint: text(given.hint),
    skip: whole(given.skip),
    limit: whole(given.limit),
    maxTimeMs: whole(given.maxTimeMs),
  };
}
