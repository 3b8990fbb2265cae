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
  { label: "ObjectId", apply: 'ObjectId("")', type: "function" },
  { label: "ISODate", apply: 'ISODate("")', type: "function" },
  { label: "NumberLong", apply: 'NumberLong("")', type: "function" },
  { label: "NumberDecimal", apply: 'NumberDecimal("")', type: "function" },
  { label: "UUID", apply: 'UUID("")', type: "function" },
];

export type Fields = ReadonlyMap<string, string>;

/** Offers field names with their types, and the operators of a query or an update; a document has none. */
export function completeQuery(
  fields: () => Fields,
  kind: keyof typeof OPERATORS = "query",
): CompletionSource {
  const operators = OPERATORS[kind];
  return (context: CompletionContext): CompletionResult | null => {
    const word = context.matchBefore(/["']?[$\w.]*$/);
    if (!word || (word.from === word.to && !context.explicit)) return null;
    const quoted = /^["']/.test(word.text);
    const text = quoted ? word.text.slice(1) : word.text;
    const before = context.state.sliceDoc(0, word.from).trimEnd();
    const isValue = before.endsWith(":");
    // What the editor closed by itself is replaced with the rest.
    const closing = quoted && context.state.sliceDoc(context.pos, context.pos + 1) === word.text[0] ? 1 : 0;
    const rest = context.state.sliceDoc(context.pos + closing).trimStart();
    const end = rest.startsWith(":") ? "" : ": ";
    const named = (name: string, detail: string): Completion => ({
      label: name,
      apply: `"${name}"${end}`,
      detail,
      type: detail ? "property" : "keyword",
    });
    const options = isValue
      ? VALUES
      : [
          ...(text.startsWith("$") ? [] : [...fields()].map(([name, types]) => named(name, types))),
          ...operators.map((name) => named(name, "")),
        ];
    return {
      from: word.from,
      to: context.pos + closing,
      options: options.map((each) => ({
        ...each,
        displayLabel: each.label,
        label: quoted ? `${word.text[0]}${each.label}` : each.label,
      })),
      filter: true,
    };
  };
}
