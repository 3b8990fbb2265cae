/** Completion of queries: the fields of the collection, and operators. */

import type {
  Completion,
  CompletionContext,
  CompletionResult,
  CompletionSource,
} from "@codemirror/autocomplete";

/** https://www.mongodb.com/docs/manual/reference/operator/query/ */
const QUERY = (
  "$eq $ne $gt $gte $lt $lte $in $nin $exists $type $regex $options $not $all $elemMatch $size $mod $and $or $nor " +
  "$expr $jsonSchema $text $search $geoWithin $geoIntersects $near $nearSphere $geometry $maxDistance " +
  "$bitsAllSet $bitsAnySet"
).split(" ");

/** https://www.mongodb.com/docs/manual/reference/operator/update/ */
const UPDATE = (
  "$set $unset $inc $mul $min $max $rename $setOnInsert $currentDate $push $addToSet $pull $pullAll $pop " +
  "$each $position $slice $sort $bit"
).split(" ");

const OPERATORS = { query: QUERY, update: [...UPDATE, ...QUERY], document: [] as string[] } as const;

const VALUES: readonly Completion[] = [
  { label: "ObjectId", apply: 'ObjectId("")' },
  { label: "ISODate", apply: 'ISODate("")' },
  { label: "NumberLong", apply: 'NumberLong("")' },
  { label: "NumberDecimal", apply: 'NumberDecimal("")' },
  { label: "UUID", apply: 'UUID("")' },
];

export type Fields = ReadonlyMap<string, string>;

/** Offers field names with their types, and the operators of a query or an update; a document has none. */
export function completeQuery(
  fields: () => Fields,
  kind: keyof typeof OPERATORS = "query",
): CompletionSource {
  const operators = OPERATORS[kind];
  return (context: CompletionContext): CompletionResult | null => {
    const start = context.state.sliceDoc(0, context.pos);
    const opened = openQuote(start);
    const from = opened ?? context.pos - (/[$\w.]*$/.exec(start)?.[0].length ?? 0);
    const quote = opened === undefined ? "" : (start[opened] ?? "");
    const text = start.slice(from + quote.length);
    if (!/^[$\w.]*$/.test(text) || (!text && !quote && !context.explicit)) return null;
    const isValue = start.slice(0, from).trimEnd().endsWith(":");
    if (isValue && quote) return null;
    // A quote that the editor has closed by itself is replaced as well.
    const closing = quote && context.state.sliceDoc(context.pos, context.pos + 1) === quote ? 1 : 0;
    const rest = context.state.sliceDoc(context.pos + closing).trimStart();
    const end = rest.startsWith(":") ? "" : ": ";
    const named = (name: string, detail: string): Completion => ({
      label: `${quote}${name}`,
      displayLabel: name,
      apply: `"${name}"${end}`,
      detail,
      // Fields before operators.
      boost: detail ? 1 : 0,
    });
    const known = text.startsWith("$") ? [] : [...fields()];
    return {
      from,
      to: context.pos + closing,
      options: isValue
        ? VALUES
        : [...known.map(([name, types]) => named(name, types)), ...operators.map((name) => named(name, ""))],
    };
  };
}

/** Where the string begins that is open at the end of a text; undefined where none is. */
export function openQuote(text: string): number | undefined {
  let opened: number | undefined;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (opened === undefined) {
      if (char === '"' || char === "'") opened = at;
    } else if (char === "\\") at += 1;
    else if (char === text[opened]) opened = undefined;
  }
  return opened;
}
