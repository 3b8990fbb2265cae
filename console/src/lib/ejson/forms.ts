/** Two forms of the same value: canonical, where every type is written, and compact, which people read and edit.
 *
 * Compact is exact as well: `5` is an int, `5.0` a double, other numbers keep their wrapper; a date is a time in UTC. What is
 * canonical comes back the same from its compact form.
 */

import { get, mapChildren, type Node, number, object, string, stringOf, wrapped } from "./ast";
import { type BsonType, typeOf, wrapper } from "./types";

const NUMBERS: ReadonlyMap<BsonType, string> = new Map<BsonType, string>([
  ["int", "$numberInt"],
  ["long", "$numberLong"],
]);

/** Milliseconds since 1970 of the years 1 and 9999, between which a date is written as a time. */
const FIRST_ISO = -62_135_596_800_000;
const LAST_ISO = 253_402_300_799_999;

const JSON_DOUBLE = /^-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)$/;
const ISO_TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,3}))?(Z|[+-]\d\d:\d\d)$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The compact form. */
export function compact(node: Node): Node {
  const found = wrapper(node);
  if (!found) return mapChildren(node, compact);
  const text = stringOf(found.value) ?? "";
  if (found.name === "$numberInt") return number(text);
  if (found.name === "$numberDouble" && JSON_DOUBLE.test(text)) return number(text);
  if (found.name === "$date") {
    const time = isoOf(stringOf(get(found.value, "$numberLong")));
    return time ? wrapped("$date", string(time)) : node;
  }
  if (typeOf(node) === "uuid") return wrapped("$uuid", string(uuidOf(node)));
  return withScope(node, compact);
}

/** The canonical form. What is wrong in a wrapper stays, for the server to say so. */
export function canonical(node: Node): Node {
  if (node.kind === "number") {
    return wrapped(NUMBERS.get(typeOf(node)) ?? "$numberDouble", string(node.text));
  }
  const found = wrapper(node);
  if (!found) return mapChildren(node, canonical);
  const text = stringOf(found.value);
  if (found.name === "$date" && text !== undefined) {
    const ms = millisecondsOf(text);
    return ms === undefined ? node : dateOf(String(ms));
  }
  if (found.name === "$uuid" && text !== undefined && UUID.test(text))
    return binaryOf(uuidBase64(text), "04");
  return withScope(node, canonical);
}

/** Code in its scope is the one wrapper with a document inside. */
function withScope(node: Node, change: (node: Node) => Node): Node {
  if (node.kind !== "object" || node.members.length < 2) return node;
  return object(
    node.members.map((each) => (each.name === "$scope" ? { ...each, value: change(each.value) } : each)),
  );
}

export function dateOf(milliseconds: string): Node {
  return wrapped("$date", wrapped("$numberLong", string(milliseconds)));
}

export function binaryOf(base64: string, subType: string): Node {
  return wrapped(
    "$binary",
    object([
      { name: "base64", value: string(base64) },
      { name: "subType", value: string(subType) },
    ]),
  );
}

/** A time in UTC for milliseconds since 1970; undefined for one that has none, or none before the year 10,000. */
export function isoOf(milliseconds: string | undefined): string | undefined {
  if (milliseconds === undefined || !/^-?\d{1,15}$/.test(milliseconds) || milliseconds === "-0")
    return undefined;
  const ms = Number(milliseconds);
  if (ms < FIRST_ISO || ms > LAST_ISO) return undefined;
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

/** Milliseconds since 1970 of a time with its zone; undefined where there is none, or one that does not exist. */
export function millisecondsOf(time: string): number | undefined {
  const found = ISO_TIME.exec(time);
  const [, moment = "", fraction = "0", zone = "Z"] = found ?? [];
  const ms = found ? Date.parse(`${moment}.${fraction.padEnd(3, "0")}${zone.toUpperCase()}`) : Number.NaN;
  if (Number.isNaN(ms)) return undefined;
  // `Date.parse` takes the 31st of February for a day in March.
  const day = new Date(`${moment.slice(0, 10)}T00:00:00Z`);
  return day.toISOString().startsWith(moment.slice(0, 10)) ? ms : undefined;
}

/** The hexadecimal form of a UUID, of either wrapper. */
export function uuidOf(node: Node): string {
  const plain = stringOf(get(node, "$uuid"));
  if (plain !== undefined) return plain;
  const base64 = stringOf(get(get(node, "$binary"), "base64")) ?? "";
  const hex = [...atob(base64)].map((each) => each.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** The base64 of a UUID. */
export function uuidBase64(uuid: string): string {
  const hex = uuid.replaceAll("-", "");
  return btoa(hex.replace(/../g, (pair) => String.fromCharCode(Number.parseInt(pair, 16))));
}
