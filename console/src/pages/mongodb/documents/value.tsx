import { clsx } from "clsx";
import { type BsonType, children, type Node, textOf, typeOf } from "@/lib/ejson";

/** Characters of a value in a row; the editor has all. */
const MOST_SHOWN = 240;

/** Types as people name them. */
const NAMES: Partial<Record<BsonType, string>> = {
  int: "Int32",
  long: "Int64",
  double: "Double",
  decimal: "Decimal128",
  bool: "Boolean",
  date: "Date",
  objectId: "ObjectId",
  binData: "Binary",
  uuid: "UUID",
  string: "String",
  object: "Object",
  array: "Array",
  null: "Null",
  regex: "Regex",
  timestamp: "Timestamp",
  javascript: "Code",
  javascriptWithScope: "Code with scope",
  symbol: "Symbol",
  minKey: "MinKey",
  maxKey: "MaxKey",
  dbPointer: "DBPointer",
  undefined: "Undefined",
  raw: "Raw BSON",
};

const COLOURS: Partial<Record<BsonType, string>> = {
  string: "text-brand-text",
  int: "text-warning",
  long: "text-warning",
  double: "text-warning",
  decimal: "text-warning",
  bool: "text-info",
  date: "text-info",
  null: "text-text-muted",
  undefined: "text-text-muted",
  objectId: "text-danger",
  uuid: "text-danger",
};

export function nameOf(type: BsonType): string {
  return NAMES[type] ?? type;
}

/** The type of a value, in small. */
export function TypeMark({ type }: { type: BsonType }) {
  return (
    <span className="inline-block rounded border border-line px-1 align-[1px] text-[10px] leading-[14px] whitespace-nowrap text-text-muted">
      {nameOf(type)}
    </span>
  );
}

/** A value in one line: what has values in it only says how many. */
export function Value({ node, className }: { node: Node; className?: string }) {
  const type = typeOf(node);
  return <span className={clsx("font-mono text-xs", COLOURS[type], className)}>{preview(node, type)}</span>;
}

function preview(node: Node, type: BsonType): string {
  const size = children(node).length;
  if (type === "array") return size === 0 ? "[]" : `[ ${size} ${size === 1 ? "item" : "items"} ]`;
  if (type === "object") return size === 0 ? "{}" : `{ ${size} ${size === 1 ? "field" : "fields"} }`;
  if (type === "binData") return binary(textOf(node));
  const text = textOf(node);
  const shown = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
  if (type === "string") return `"${shown}"`;
  return shown || nameOf(type);
}

/** `48 bytes, subtype 00: AP+A…` */
function binary(text: string): string {
  const [subtype = "", base64 = ""] = text.split(" ");
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const size = (base64.length / 4) * 3 - padding;
  const start = base64.length > 24 ? `${base64.slice(0, 24)}…` : base64;
  return `${size} bytes${subtype === "00" ? "" : `, subtype ${subtype}`}: ${start}`;
}
