/** Redis bytes in JSON: text where they are UTF-8, base64 otherwise. */

import type { components } from "../generated/schema.js";

type Schemas = components["schemas"];
export type RedisBlob = Schemas["RedisBlob"];
export type RedisBlobInput = Schemas["RedisBlobInput"];

/** A key's name as requests and answers have it: one of the two. */
export interface RedisName {
  key?: string | undefined;
  key_base64?: string | undefined;
}

/** What has bytes: a blob of a request or an answer. */
export interface Content {
  value?: string | undefined;
  value_base64?: string | undefined;
  full_length?: number | undefined;
}

/** Arguments of one call at most, for `String.fromCharCode`. */
const CHUNK = 0x2000;
const encoder = new TextEncoder();

/** The bytes of base64 in either alphabet.
 *
 * @throws where it is none.
 */
export function fromBase64(text: string): Uint8Array {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Base64 of bytes, with padding. */
export function toBase64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + CHUNK)));
  }
  return btoa(parts.join(""));
}

/** The text that bytes are in UTF-8; undefined where they are none. A byte order mark stays. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The bytes of a blob. */
export function bytesOf(blob: Content): Uint8Array {
  return blob.value_base64 ? fromBase64(blob.value_base64) : encoder.encode(blob.value ?? "");
}

/** A blob of bytes. */
export function blobOf(bytes: Uint8Array): { value: string } | { value_base64: string } {
  const value = utf8(bytes);
  return value === undefined ? { value_base64: toBase64(bytes) } : { value };
}

/** A blob as requests take it: what an answer adds is left out. */
export function inputOf(blob: Content): { value: string } | { value_base64: string } {
  return blob.value_base64 ? { value_base64: blob.value_base64 } : { value: blob.value ?? "" };
}

/** A key's name as a blob, for requests that have several. */
export function nameBlob(name: RedisName): { value: string } | { value_base64: string } {
  return name.key_base64 ? { value_base64: name.key_base64 } : { value: name.key ?? "" };
}

/** A blob as a key's name. */
export function nameOf(blob: Content): RedisName {
  return blob.value_base64 ? { key_base64: blob.value_base64 } : { key: blob.value ?? "" };
}

/** Says which bytes these are, as one text: to compare, and as the key of a list's row. */
export function blobId(blob: Content): string {
  return blob.value_base64 ? `b${blob.value_base64}` : `t${blob.value ?? ""}`;
}

/** A blob in a query: `pattern.value=…`. */
export function blobQuery<Name extends string>(
  name: Name,
  blob: Content,
): { [K in `${Name}.value` | `${Name}.value_base64`]?: string } {
  const field = blob.value_base64 ? `${name}.value_base64` : `${name}.value`;
  return { [field]: blob.value_base64 ?? blob.value ?? "" } as {
    [K in `${Name}.value` | `${Name}.value_base64`]?: string;
  };
}

/** Bytes as people read them: text, or what is no text as `\xff`. */
export function readable(blob: Content): string {
  if (!blob.value_base64) return blob.value ?? "";
  const binary = atob(blob.value_base64);
  return binary.replaceAll(/[^ -~]|\\/g, (char) =>
    char === "\\" ? "\\\\" : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
