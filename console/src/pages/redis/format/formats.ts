/** How bytes are shown, and how what was edited becomes bytes again: exactly, or not at all. */

import { decode, decodeMulti, ExtData } from "@msgpack/msgpack";
import { fromBase64, toBase64, utf8 } from "@studio-databases/client/react";
import { hexDump, parseHex, toHex } from "@/lib/hex";
import { compact, layOut } from "@/lib/json";
import { BUILT_IN, type Codec, candidates, codecOf, isLikely, type Unpackers } from "./compression";

export const FORMATS = [
  { value: "text", label: "Text" },
  { value: "json", label: "JSON" },
  { value: "hex", label: "Hex" },
  { value: "dump", label: "Hex dump" },
  { value: "base64", label: "Base64" },
  { value: "msgpack", label: "MessagePack" },
] as const;

/** Those that a part of a value can be shown in. */
export const RANGE_FORMATS = FORMATS.filter(({ value }) => value !== "json" && value !== "msgpack");

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
  /** What must be loaded before it is known. */
  needs?: Codec;
}

/** Bytes that are looked through to tell JSON. */
const MOST_JSON = 4 << 20;
const encoder = new TextEncoder();
const VIEW_ONLY = "View only";

/** The format that shows most of bytes. */
export function guess(bytes: Uint8Array, unpackers: Unpackers = BUILT_IN): Guess {
  const codec = codecOf(bytes);
  if (codec) {
    const unpack = unpackers[codec];
    if (!unpack) return { codec, format: "hex", needs: codec };
    try {
      return { codec, format: inner(unpack(bytes)) };
    } catch {
      // They only begin like that.
    }
  }
  const format = inner(bytes);
  if (format !== "hex") return { codec: undefined, format };
  for (const each of candidates(bytes)) {
    const unpack = unpackers[each];
    if (!unpack) return { codec: undefined, format, needs: each };
    try {
      const found = unpack(bytes);
      if (isLikely(bytes, found)) return { codec: each, format: inner(found) };
    } catch {
      // They are something else.
    }
  }
  return { codec: undefined, format };
}

/** Whether bytes are text, but for characters that the edges of a part have cut. */
export function isText(bytes: Uint8Array): boolean {
  const [start, end] = characters(bytes);
  return utf8(bytes.subarray(start, end)) !== undefined;
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
  // One map or array with something in it, or any bytes at all would be some numbers.
  const isContainer = (first > 0x80 && first <= 0x9f && first !== 0x90) || (first >= 0xdc && first <= 0xdf);
  if (!isContainer) return false;
  try {
    decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Bytes in a format, unpacked before where a codec is given.
 *
 * @throws where they are not of this format, or not compressed so.
 */
export function show(
  bytes: Uint8Array,
  format: Format,
  codec?: Codec,
  unpackers: Unpackers = BUILT_IN,
): Shown {
  if (codec) {
    const { parse: _, ...shown } = show(unpacked(bytes, codec, unpackers), format);
    return { ...shown, why: `${VIEW_ONLY}: it is compressed. Its bytes can be edited as hex or base64.` };
  }
  switch (format) {
    case "hex":
      return { text: toHex(bytes), language: "text", parse: parseHex };
    case "dump":
      return dump(bytes, 0);
    case "base64":
      return { text: lines(toBase64(bytes)), language: "text", parse: parseBase64 };
    case "msgpack":
      return {
        text: messagePack(bytes),
        language: "json",
        why: `${VIEW_ONLY}: MessagePack has more types than JSON. Its bytes can be edited as hex or base64.`,
      };
    case "json":
      return json(bytes);
    case "text":
      return plain(bytes);
  }
}

function unpacked(bytes: Uint8Array, codec: Codec, unpackers: Unpackers): Uint8Array {
  const unpack = unpackers[codec];
  if (!unpack) throw new Error(`What unpacks ${codec} is being loaded.`);
  try {
    return unpack(bytes);
  } catch (error) {
    throw new Error(`It is no ${codec}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A part of a long value, from `offset` on. Characters that its edges cut stay as they are, unseen. */
export function showRange(bytes: Uint8Array, format: Format, offset: number): Shown {
  if (format === "dump") return dump(bytes, offset);
  if (format !== "text") return show(bytes, format);
  const [start, end] = characters(bytes);
  const middle = bytes.subarray(start, end);
  if (utf8(middle) === undefined) {
    return {
      text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(middle),
      language: "text",
      why: `${VIEW_ONLY}: it has bytes that are no UTF-8. They can be edited as hex or base64.`,
    };
  }
  const { parse, ...shown } = plain(middle);
  if (!parse) return shown;
  return {
    ...shown,
    parse: (edited) => {
      const inside = parse(edited);
      const whole = new Uint8Array(start + inside.length + bytes.length - end);
      whole.set(bytes.subarray(0, start));
      whole.set(inside, start);
      whole.set(bytes.subarray(end), start + inside.length);
      return whole;
    },
  };
}

/** Where the whole characters of a part of UTF-8 begin and end. */
function characters(bytes: Uint8Array): readonly [number, number] {
  const isInside = (at: number) => ((bytes[at] ?? 0) & 0xc0) === 0x80;
  let start = 0;
  while (start < 3 && start < bytes.length && isInside(start)) start += 1;
  let last = bytes.length - 1;
  while (last > start && bytes.length - last < 4 && isInside(last)) last -= 1;
  const lead = bytes[last] ?? 0;
  const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return [start, last >= start && last + size > bytes.length ? last : bytes.length];
}

function dump(bytes: Uint8Array, offset: number): Shown {
  return {
    text: hexDump(bytes, offset),
    language: "text",
    why: `${VIEW_ONLY}: the bytes can be edited as hex or base64.`,
  };
}

function plain(bytes: Uint8Array): Shown {
  const text = utf8(bytes);
  if (text === undefined) throw new Error("It is no text: it has bytes that are no UTF-8.");
  const ending = lineEnding(text);
  if (ending === undefined) {
    return {
      text,
      language: "text",
      why: `${VIEW_ONLY}: its lines end differently. Its bytes can be edited as hex or base64.`,
    };
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
