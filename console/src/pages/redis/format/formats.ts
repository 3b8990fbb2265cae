/** How bytes are shown, and how what was edited becomes bytes again: exactly, or not at all. */

import { decodeMulti, ExtData } from "@msgpack/msgpack";
import { fromBase64, toBase64, utf8 } from "@studio-databases/client/react";
import { hexDump, parseHex, toHex } from "@/lib/hex";
import { compact, layOut } from "@/lib/json";
import { type Codec, codecOf, unpack } from "./compression";

export const FORMATS = [
  { value: "text", label: "Text" },
  { value: "json", label: "JSON" },
  { value: "hex", label: "Hex" },
  { value: "base64", label: "Base64" },
  { value: "msgpack", label: "MessagePack" },
] as const;

export type Format = (typeof FORMATS)[number]["value"];

/** Bytes in a format. */
export interface Shown {
  text: string;
  language: "json" | "text";
  /** Bytes of an edited text; missing where the format can't be edited without loss.
   *
   * @throws where the text is not of this format.
   */
  parse?: (edited: string) => Uint8Array;
  /** Why it can't be edited here. */
  why?: string;
}

/** How bytes are compressed and what they hold, as far as their look tells. */
export interface Guess {
  codec: Codec | undefined;
  format: Format;
}

/** Bytes that are looked through to tell JSON. */
const MOST_JSON = 4 << 20;
const encoder = new TextEncoder();

/** The format that shows most of bytes. */
export function guess(bytes: Uint8Array): Guess {
  const codec = codecOf(bytes);
  if (codec) {
    try {
      return { codec, format: inner(unpack(bytes, codec)) };
    } catch {
      // They only begin like that.
    }
  }
  return { codec: undefined, format: inner(bytes) };
}

function inner(bytes: Uint8Array): Format {
  const text = utf8(bytes);
  if (text === undefined) return isMessagePack(bytes) ? "msgpack" : "hex";
  return bytes.length <= MOST_JSON && isJson(text) ? "json" : "text";
}

/** An object or an array: a lone number or word is text to everybody else. */
function isJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isMessagePack(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0;
  // Maps and arrays only, or any bytes at all would be some number.
  const isContainer = (first >= 0x80 && first <= 0x9f) || (first >= 0xdc && first <= 0xdf);
  if (!isContainer) return false;
  try {
    messagePack(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Bytes in a format, unpacked before where a codec is given.
 *
 * @throws where they are not of this format.
 */
export function show(bytes: Uint8Array, format: Format, codec?: Codec): Shown {
  if (codec) {
    const { parse: _, ...shown } = show(unpack(bytes, codec), format);
    return { ...shown, why: "It is compressed: edit its bytes as hex or base64." };
  }
  switch (format) {
    case "hex":
      return { text: toHex(bytes), language: "text", parse: parseHex };
    case "base64":
      return { text: lines(toBase64(bytes)), language: "text", parse: parseBase64 };
    case "msgpack":
      return {
        text: messagePack(bytes),
        language: "json",
        why: "MessagePack has more types than JSON: edit its bytes as hex or base64.",
      };
    case "json":
      return json(bytes);
    case "text":
      return plain(bytes);
  }
}

/** A part of a long value: as text where it is, cut characters included, or as a dump. */
export function showRange(bytes: Uint8Array, format: Format, offset: number): string {
  if (format === "hex") return hexDump(bytes, offset);
  if (format === "base64") return lines(toBase64(bytes));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function plain(bytes: Uint8Array): Shown {
  const text = utf8(bytes);
  if (text === undefined) throw new Error("It is no text: it has bytes that are no UTF-8.");
  const ending = lineEnding(text);
  if (ending === undefined) {
    return { text, language: "text", why: "Its lines end differently: edit its bytes as hex or base64." };
  }
  // An editor knows one line ending; what came with another goes back with it.
  return {
    text: ending === "\n" ? text : text.replaceAll(ending, "\n"),
    language: "text",
    parse: (edited) => encoder.encode(ending === "\n" ? edited : edited.replaceAll("\n", ending)),
  };
}

/** How all lines end; undefined where they differ. */
function lineEnding(text: string): "\n" | "\r\n" | "\r" | undefined {
  if (!text.includes("\r")) return "\n";
  const rest = text.replaceAll("\r\n", "");
  if (!/[\r\n]/.test(rest)) return "\r\n";
  return text.includes("\n") ? undefined : "\r";
}

function json(bytes: Uint8Array): Shown {
  const text = utf8(bytes);
  if (text === undefined) throw new Error("It is no JSON: it has bytes that are no UTF-8.");
  try {
    JSON.parse(text);
  } catch (error) {
    throw new Error(`It is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const lay = layouts().find((each) => each(text) === text);
  return {
    text: layOut(text),
    language: "json",
    parse: (edited) => {
      JSON.parse(edited);
      // Spaces are for the eye: what was stored in a known layout is stored in it again.
      return encoder.encode(lay ? lay(edited) : edited);
    },
  };
}

/** How programs lay JSON out: JavaScript's way, Python's, indented by two and by four. */
function layouts(): ((text: string) => string)[] {
  return [compact, spaced, layOut, (text) => layOut(text, 4)];
}

/** JSON in a line, with a space after each comma and colon, as Python's `json.dumps` writes it. */
function spaced(text: string): string {
  return compact(text).replaceAll(/"(?:[^"\\]|\\.)*"|[,:]/g, (found) =>
    found === "," || found === ":" ? `${found} ` : found,
  );
}

function parseBase64(text: string): Uint8Array {
  try {
    return fromBase64(text.replaceAll(/\s/g, ""));
  } catch {
    throw new Error("This is no base64.");
  }
}

function lines(text: string): string {
  return text.replaceAll(/(.{76})(?=.)/g, "$1\n");
}

/** MessagePack as JSON; what JSON has no word for is an object that says so. */
function messagePack(bytes: Uint8Array): string {
  const found = [...decodeMulti(bytes, { useBigInt64: true })];
  return found.map((each) => written(each, 0)).join("\n");
}

function written(value: unknown, depth: number): string {
  const inside = " ".repeat((depth + 1) * 2);
  const end = " ".repeat(depth * 2);
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return `{"$binary": "${toBase64(value)}"}`;
  if (value instanceof Date) return `{"$date": "${value.toISOString()}"}`;
  if (value instanceof ExtData) {
    const { data } = value;
    return `{"$ext": ${value.type}, "$binary": "${data instanceof Uint8Array ? toBase64(data) : ""}"}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) return `{"$float": "${value}"}`;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[\n${value.map((each) => inside + written(each, depth + 1)).join(",\n")}\n${end}]`;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value);
    if (entries.length === 0) return "{}";
    const rows = entries.map(
      ([name, each]) => `${inside}${JSON.stringify(name)}: ${written(each, depth + 1)}`,
    );
    return `{\n${rows.join(",\n")}\n${end}}`;
  }
  return JSON.stringify(value) ?? "null";
}
