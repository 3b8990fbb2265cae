/** A single value as the text of an input, and back: its type never changes by itself. */

import { get, literal, type Node, number, object, string, stringOf, wrapped } from "./ast";
import { binaryOf, dateOf, isoOf, millisecondsOf, uuidBase64, uuidOf } from "./forms";
import { type BsonType, isInteger, typeOf, wrapper } from "./types";

/** Types whose values can be typed in. */
export const EDITABLE = [
  "string",
  "int",
  "long",
  "double",
  "decimal",
  "bool",
  "date",
  "objectId",
  "uuid",
  "null",
  "binData",
  "regex",
  "timestamp",
  "javascript",
  "symbol",
  "minKey",
  "maxKey",
] as const satisfies readonly BsonType[];
export type EditableType = (typeof EDITABLE)[number];

export function isEditable(type: BsonType): type is EditableType {
  return (EDITABLE as readonly BsonType[]).includes(type);
}

/** What the input has for a value. */
export function textOf(node: Node): string {
  if (node.kind === "string") return node.value;
  if (node.kind === "number") return node.text;
  if (node.kind === "literal") return String(node.value);
  const inner = wrapper(node)?.value;
  switch (typeOf(node)) {
    case "date": {
      const ms = stringOf(get(inner, "$numberLong"));
      return stringOf(inner) ?? isoOf(ms) ?? ms ?? "";
    }
    case "uuid":
      return uuidOf(node);
    case "binData":
      return `${stringOf(get(inner, "subType")) ?? ""} ${stringOf(get(inner, "base64")) ?? ""}`;
    case "regex":
      return `/${stringOf(get(inner, "pattern")) ?? ""}/${stringOf(get(inner, "options")) ?? ""}`;
    case "timestamp":
      return `${plain(get(inner, "t"))}:${plain(get(inner, "i"))}`;
    case "minKey":
    case "maxKey":
      return "";
    default:
      return stringOf(inner) ?? "";
  }
}

function plain(node: Node | undefined): string {
  return node?.kind === "number" ? node.text : "";
}

const CHECKED: Record<string, readonly [RegExp, string, string]> = {
  objectId: [/^[0-9a-f]{24}$/i, "$oid", "24 hexadecimal digits"],
  decimal: [
    /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?)$|^nan$/i,
    "$numberDecimal",
    "a decimal number",
  ],
  double: [
    /^(?:-?\d+(?:\.\d*)?(?:e[+-]?\d+)?|NaN|-?Infinity)$/i,
    "$numberDouble",
    "a number, NaN or Infinity",
  ],
};

/** The value of a type for what was typed, in canonical form.
 *
 * @throws Error with a sentence where it is none of that type.
 */
export function fromText(type: EditableType, text: string): Node {
  const checked = CHECKED[type];
  if (checked) {
    const [pattern, name, what] = checked;
    if (!pattern.test(text)) throw new Error(`This must be ${what}.`);
    return wrapped(name, string(text));
  }
  switch (type) {
    case "int":
    case "long":
      if (!isInteger(text, type === "int" ? 32 : 64))
        throw new Error(`This must be an integer of ${type === "int" ? 32 : 64} bits.`);
      return wrapped(type === "int" ? "$numberInt" : "$numberLong", string(text));
    case "bool":
      if (text !== "true" && text !== "false") throw new Error("This must be true or false.");
      return literal(text === "true");
    case "null":
      return literal(null);
    case "date": {
      const ms = isInteger(text, 64) ? text : millisecondsOf(text);
      if (ms === undefined)
        throw new Error("This must be a time like 2024-05-17T08:30:00.250Z, or milliseconds since 1970.");
      return dateOf(String(ms));
    }
    case "uuid":
      if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
        throw new Error("This must be a UUID with its hyphens.");
      return binaryOf(uuidBase64(text), "04");
    case "binData": {
      const found = /^([0-9a-f]{2}) ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/i.exec(
        text,
      );
      if (!found) throw new Error("This must be a subtype of two hexadecimal digits, a space, and base64.");
      return binaryOf(found[2] ?? "", (found[1] ?? "").toLowerCase());
    }
    case "regex": {
      const found = /^\/(.*)\/([ilmsux]*)$/s.exec(text);
      if (!found) throw new Error("This must be a pattern between slashes, and options: /^a/i");
      return wrapped(
        "$regularExpression",
        object([
          { name: "pattern", value: string(found[1] ?? "") },
          { name: "options", value: string([...(found[2] ?? "")].sort().join("")) },
        ]),
      );
    }
    case "timestamp": {
      const found = /^(\d{1,10}):(\d{1,10})$/.exec(text);
      if (!found) throw new Error("This must be seconds since 1970, a colon, and a counter.");
      const member = (name: string, value = "0") => ({ name, value: number(String(Number(value))) });
      return wrapped("$timestamp", object([member("t", found[1]), member("i", found[2])]));
    }
    case "javascript":
      return wrapped("$code", string(text));
    case "symbol":
      return wrapped("$symbol", string(text));
    case "minKey":
      return wrapped("$minKey", number("1"));
    case "maxKey":
      return wrapped("$maxKey", number("1"));
    default:
      return string(text);
  }
}
