/** Replies as redis-cli writes them: https://redis.io/docs/latest/develop/tools/cli/ */

import { type Content, fromBase64, type RedisReply } from "@studio-databases/client/react";

/** Characters of one reply at most that the page keeps. */
export const MOST_TEXT = 400_000;

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\u0007": "\\a",
  '"': '\\"',
  "\\": "\\\\",
};

/** A text with an end. */
class Bounded {
  private readonly parts: string[] = [];
  private left: number;

  constructor(most: number) {
    this.left = most;
  }

  get isFull(): boolean {
    return this.left <= 0;
  }

  add(text: string): void {
    if (this.left <= 0) return;
    this.parts.push(text.slice(0, this.left));
    this.left -= text.length;
  }

  toString(): string {
    return this.parts.join("");
  }
}

/** A reply as text, and whether something of it had to be left out here. */
export function replyText(reply: RedisReply, most = MOST_TEXT): { text: string; isCut: boolean } {
  const out = new Bounded(most);
  // INFO and its like are written to be read; redis-cli shows them as they are, too.
  const lines = reply.bulk?.value?.includes("\n") ? reply.bulk : undefined;
  if (lines) out.add(`${(lines.value ?? "").trimEnd()}${rest(lines)}`);
  else put(reply, "", out);
  return { text: out.toString(), isCut: out.isFull };
}

function put(reply: RedisReply, indent: string, out: Bounded): void {
  if (out.isFull) return;
  if (reply.list) putList(reply.list.items, indent, ")", "(empty list)", out);
  else if (reply.set) putList(reply.set.items, indent, "~", "(empty set)", out);
  else if (reply.map) putMap(reply.map.items, indent, out);
  else out.add(scalar(reply));
}

function scalar(reply: RedisReply): string {
  if (reply.bulk) return `${quoted(reply.bulk)}${rest(reply.bulk)}`;
  if (reply.status !== undefined) return reply.status;
  if (reply.error !== undefined) return `(error) ${reply.error}`;
  if (reply.integer !== undefined) return `(integer) ${reply.integer}`;
  if (reply.number !== undefined) return `(double) ${reply.number}`;
  if (reply.boolean !== undefined) return `(${reply.boolean})`;
  return "(nil)";
}

function putList(
  items: readonly RedisReply[],
  indent: string,
  mark: string,
  empty: string,
  out: Bounded,
): void {
  if (items.length === 0) out.add(empty);
  const width = String(items.length).length;
  items.forEach((item, index) => {
    if (out.isFull) return;
    if (index > 0) out.add(`\n${indent}`);
    out.add(`${String(index + 1).padStart(width)}${mark} `);
    put(item, `${indent}${" ".repeat(width + 2)}`, out);
  });
}

function putMap(items: readonly RedisReply[], indent: string, out: Bounded): void {
  if (items.length === 0) out.add("(empty map)");
  const width = String(items.length / 2).length;
  for (let at = 0; at + 1 < items.length && !out.isFull; at += 2) {
    if (at > 0) out.add(`\n${indent}`);
    out.add(`${String(at / 2 + 1).padStart(width)}# `);
    const inner = `${indent}${" ".repeat(width + 2)}`;
    put(items[at] ?? {}, inner, out);
    out.add(" => ");
    put(items[at + 1] ?? {}, `${inner}   `, out);
  }
}

/** Bytes in quotes: what can't be printed is escaped, and the text can be sent back as an argument. */
export function quoted(blob: Content): string {
  if (!blob.value_base64) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is escaped
    return `"${(blob.value ?? "").replaceAll(/[\u0000-\u001f\u007f"\\]/g, escaped)}"`;
  }
  let text = "";
  for (const byte of fromBase64(blob.value_base64)) {
    const char = String.fromCharCode(byte);
    text += byte < 0x20 || byte > 0x7e || char === '"' || char === "\\" ? escaped(char) : char;
  }
  return `"${text}"`;
}

function escaped(char: string): string {
  return ESCAPES[char] ?? `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** What an answer left out of a long value. */
function rest(blob: Content): string {
  return blob.full_length ? `… (${blob.full_length.toLocaleString("en")} bytes in all)` : "";
}
