/** Constructors of MongoDB's shell (https://www.mongodb.com/docs/mongodb-shell/reference/data-types/) as Extended JSON. */

import { type Node, number, object, string, wrapped } from "./ast";

type Values = readonly Node[];

/** The text of a value that a constructor takes: `"5"` or `5`. */
function text(values: Values, name: string): string {
  const [value] = values;
  if (values.length === 1 && value?.kind === "string") return value.value;
  if (values.length === 1 && value?.kind === "number") return value.text;
  throw new Error(`${name}(…) takes one value`);
}

function date(values: Values, name: string): Node {
  const [value] = values;
  if (value?.kind === "number") return wrapped("$date", wrapped("$numberLong", string(value.text)));
  if (values.length === 0) return wrapped("$date", string(new Date().toISOString()));
  const given = text(values, name);
  const whole = /^\d{4}-\d\d-\d\d$/.test(given) ? `${given}T00:00:00Z` : given;
  // A time without a zone is UTC, whatever the browser's own is.
  return wrapped("$date", string(/(?:Z|[+-]\d\d:?\d\d)$/i.test(whole) ? whole : `${whole}Z`));
}

function timestamp(values: Values): Node {
  const [seconds, increment] = values;
  if (values.length === 1 && seconds?.kind === "object") return wrapped("$timestamp", seconds);
  if (seconds?.kind !== "number" || increment?.kind !== "number") throw new Error("Timestamp takes t and i");
  return wrapped(
    "$timestamp",
    object([
      { name: "t", value: seconds },
      { name: "i", value: increment },
    ]),
  );
}

function binary(values: Values): Node {
  const [subtype, data] = values;
  if (subtype?.kind !== "number" || data?.kind !== "string")
    throw new Error("BinData takes a subtype and base64");
  const code = Number(subtype.text).toString(16).padStart(2, "0");
  return wrapped(
    "$binary",
    object([
      { name: "base64", value: data },
      { name: "subType", value: string(code) },
    ]),
  );
}

const typed =
  (wrapper: string) =>
  (values: Values, name: string): Node =>
    wrapped(wrapper, string(text(values, name)));

const CONSTRUCTORS: ReadonlyMap<string, (values: Values, name: string) => Node> = new Map([
  ["ObjectId", typed("$oid")],
  ["ObjectID", typed("$oid")],
  ["NumberInt", typed("$numberInt")],
  ["Int32", typed("$numberInt")],
  ["NumberLong", typed("$numberLong")],
  ["Long", typed("$numberLong")],
  ["Double", typed("$numberDouble")],
  ["NumberDecimal", typed("$numberDecimal")],
  ["Decimal128", typed("$numberDecimal")],
  ["UUID", typed("$uuid")],
  ["Symbol", typed("$symbol")],
  ["Code", typed("$code")],
  ["ISODate", date],
  ["Date", date],
  ["Timestamp", timestamp],
  ["BinData", binary],
  ["MinKey", () => wrapped("$minKey", number("1"))],
  ["MaxKey", () => wrapped("$maxKey", number("1"))],
]);

const CONSTANTS: ReadonlySet<string> = new Set(["NaN", "Infinity", "-Infinity"]);

/** The value of a word, with what stands in its parentheses.
 *
 * @throws Error where there is no such word, or it takes something else.
 */
export function constructed(name: string, values: Values | undefined): Node {
  if (values === undefined && CONSTANTS.has(name)) return wrapped("$numberDouble", string(name));
  const make = CONSTRUCTORS.get(name);
  if (!make) throw new Error(`${name} is not known here; a text needs quotes`);
  return make(values ?? [], name);
}

/** A regular expression. */
export function regularExpression(pattern: string, options: string): Node {
  return wrapped(
    "$regularExpression",
    object([
      { name: "pattern", value: string(pattern.replaceAll("\\/", "/")) },
      { name: "options", value: string([...options].sort().join("")) },
    ]),
  );
}
