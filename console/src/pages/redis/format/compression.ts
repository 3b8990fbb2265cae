/** Values that applications have compressed, found by their first bytes. */

import { Gunzip, Inflate, Unzlib } from "fflate";

export type Codec = "gzip" | "zlib" | "deflate";

/** Bytes at most that a value is unpacked to: a small one can hide gigabytes. */
export const MOST_UNPACKED = 16 << 20;

/** Compressed bytes that go in at a time. */
const STEP = 0x4000;

/** How bytes look to be compressed: by the magic numbers of RFC 1952 and RFC 1950. Raw deflate has none. */
export function codecOf(bytes: Uint8Array): Codec | undefined {
  const [first = 0, second = 0, third = 0] = bytes;
  if (bytes.length > 18 && first === 0x1f && second === 0x8b && third === 8) return "gzip";
  const header = (first << 8) | second;
  // Deflate with a window of 32 KiB, as every zlib writes it, and no dictionary.
  if (bytes.length > 6 && first === 0x78 && header % 31 === 0 && (second & 0x20) === 0) return "zlib";
  return undefined;
}

/** The bytes that were compressed.
 *
 * @throws where they are not compressed so, are cut, or unpack to more than MOST_UNPACKED.
 */
export function unpack(bytes: Uint8Array, codec: Codec): Uint8Array {
  const parts: Uint8Array[] = [];
  let come = 0;
  let ended = false;
  const take = (part: Uint8Array, final: boolean) => {
    come += part.length;
    if (come > MOST_UNPACKED) throw new Error("It unpacks to more than 16 MB.");
    parts.push(part.slice());
    ended ||= final;
  };
  const stream =
    codec === "gzip" ? new Gunzip(take) : codec === "zlib" ? new Unzlib(take) : new Inflate(take);
  for (let at = 0; at < bytes.length; at += STEP) {
    stream.push(bytes.subarray(at, at + STEP), at + STEP >= bytes.length);
  }
  if (!ended) throw new Error("The compressed bytes end too early.");
  const whole = new Uint8Array(come);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
