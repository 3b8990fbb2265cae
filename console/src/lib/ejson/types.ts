/** Which BSON type a value of Extended JSON has. */

import { get, type Node, stringOf } from "./ast";

/** As `$type` names them (https://www.mongodb.com/docs/manual/reference/operator/query/type/); `uuid` is binary data of subtype 4,
 * `raw` what Extended JSON can't carry otherwise. */
export type BsonType =
  | "double"
  | "string"
  | "object"
  | "array"
  | "binData"
  | "uuid"
  | "undefined"
  | "objectId"
  | "bool"
  | "date"
  | "null"
  | "regex"
  | "dbPointer"
  | "javascript"
  | "javascriptWithScope"
  | "symbol"
  | "int"
  | "timestamp"
  | "long"
  | "decimal"
  | "minKey"
  | "maxKey"
  | "raw";

const WRAPPERS: ReadonlyMap<string, BsonType> = new Map<string, BsonType>([
  ["$oid", "objectId"],
  ["$numberInt", "int"],
  ["$numberLong", "long"],
  ["$numberDouble", "double"],
  ["$numberDecimal", "decimal"],
  ["$date", "date"],
  ["$binary", "binData"],
  ["$uuid", "uuid"],
  ["$timestamp", "timestamp"],
  ["$regularExpression", "regex"],
  ["$code", "javascript"],
  ["$symbol", "symbol"],
  ["$dbPointer", "dbPointer"],
  ["$undefined", "undefined"],
  ["$minKey", "minKey"],
  ["$maxKey", "maxKey"],
  ["$bson", "raw"],
]);

const UUID_BASE64_LENGTH = 24;
const INT32_LIMIT = 2n ** 31n;
const INT64_LIMIT = 2n ** 63n;

/** The name and value of a type wrapper; undefined for any other value. */
export function wrapper(node: Node): { name: string; value: Node } | undefined {
  if (node.kind !== "object") return undefined;
  const [first, second] = node.members;
  if (!first?.name.startsWith("$") || !WRAPPERS.has(first.name)) return undefined;
  if (node.members.length === 1) return first;
  const scoped = first.name === "$code" && second?.name === "$scope" && node.members.length === 2;
  return scoped ? first : undefined;
}

/** The type of a value. */
export function typeOf(node: Node): BsonType {
  if (node.kind === "string" || node.kind === "array") return node.kind;
  if (node.kind === "literal") return node.value === null ? "null" : "bool";
  if (node.kind === "number") return typeOfNumber(node.text);
  const found = wrapper(node);
  if (!found) return "object";
  if (found.name === "$code" && node.members.length > 1) return "javascriptWithScope";
  if (found.name === "$binary" && isUuid(found.value)) return "uuid";
  return WRAPPERS.get(found.name) ?? "object";
}

/** Whether a value has others in it that can be looked into. */
export function isContainer(node: Node): boolean {
  return node.kind === "array" || (node.kind === "object" && wrapper(node) === undefined);
}

/** The type that a plain number has, as MongoDB's tools read it. */
function typeOfNumber(text: string): BsonType {
  if (/[.eE]/.test(text)) return "double";
  const value = BigInt(text);
  if (-INT32_LIMIT <= value && value < INT32_LIMIT) return "int";
  return -INT64_LIMIT <= value && value < INT64_LIMIT ? "long" : "double";
}

function isUuid(binary: Node): boolean {
  const base64 = stringOf(get(binary, "base64"));
  return stringOf(get(binary, "subType")) === "04" && base64?.length === UUID_BASE64_LENGTH;
}

/** Whether `text` is an integer of so many bits. */
export function isInteger(text: string, bits: 32 | 64): boolean {
  if (!/^-?\d{1,19}$/.test(text)) return false;
  const limit = bits === 32 ? INT32_LIMIT : INT64_LIMIT;
  const value = BigInt(text);
  return -limit <= value && value < limit;
}
