/** Values that applications have compressed, found by their first bytes, or where a codec has none by what they unpack to. */

import { utf8 } from "@studio-databases/client/react";
import { Gunzip, Inflate, Unzlib } from "fflate";
import { lz4 } from "./lz4";
import { snappy } from "./snappy";
import { MOST_UNPACKED, tooLarge } from "./unpacking";

export const CODECS = ["gzip", "zlib", "deflate", "brotli", "zstd", "lz4", "snappy"] as const;
export type Codec = (typeof CODECS)[number];

/** Unpacks bytes.
 *
 * @throws where they are not compressed so, are cut, or unpack to more than MOST_UNPACKED.
 */
export type Unpack = (bytes: Uint8Array) => Uint8Array;
export type Unpackers = Readonly<Partial<Record<Codec, Unpack>>>;

/** Compressed bytes that go in at a time. */
const STEP = 0x4000;
/** Bytes of a value without a magic number that are worth the try: fewer could be anything. */
const LEAST = 12;

/** Those that are part of the page; the others come on demand. */
export const BUILT_IN: Unpackers = {
  gzip: (bytes) => pushed(bytes, (take) => new Gunzip(take)),
  zlib: (bytes) => pushed(bytes, (take) => new Unzlib(take)),
  deflate: (bytes) => pushed(bytes, (take) => new Inflate(take)),
  lz4,
  snappy,
};

const ON_DEMAND: Readonly<Partial<Record<Codec, () => Promise<Unpack>>>> = {
  brotli: async () => {
    const { decompress } = await import("brotli/decompress");
    return (bytes) => {
      // Its own error for what does not fit names a buffer.
      const found = decompress(bytes, MOST_UNPACKED + 1);
      if (found.length > MOST_UNPACKED) throw tooLarge();
      return found.slice();
    };
  },
  zstd: async () => {
    const { Decompress } = await import("fzstd");
    return (bytes) => pushed(bytes, (take) => new Decompress(take));
  },
};

/** The unpackers with one more, loaded. One that can't be loaded says so when it is used. */
export async function withUnpacker(codec: Codec, known: Unpackers): Promise<Unpackers> {
  try {
    const unpack = await ON_DEMAND[codec]?.();
    return unpack ? { ...known, [codec]: unpack } : known;
  } catch {
    const failing = () => {
      throw new Error(`What unpacks ${codec} could not be loaded: load the page anew.`);
    };
    return { ...known, [codec]: failing };
  }
}

/** How bytes look to be compressed: by the magic numbers of RFC 1952, RFC 1950, RFC 8878 and LZ4. */
export function codecOf(bytes: Uint8Array): Codec | undefined {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
  if (bytes.length > 18 && first === 0x1f && second === 0x8b && third === 8) return "gzip";
  const header = (first << 8) | second;
  // Deflate with a window of 32 KiB, as every zlib writes it, and no dictionary.
  if (bytes.length > 6 && first === 0x78 && header % 31 === 0 && (second & 0x20) === 0) return "zlib";
  if (first === 0x28 && second === 0xb5 && third === 0x2f && fourth === 0xfd) return "zstd";
  if (bytes.length > 11 && first === 0x04 && second === 0x22 && third === 0x4d && fourth === 0x18)
    return "lz4";
  return undefined;
}

/** Codecs without a magic number that bytes may be in, which are no text themselves. */
export function candidates(bytes: Uint8Array): readonly Codec[] {
  return bytes.length < LEAST ? [] : ["snappy", "deflate", "brotli"];
}

/** Whether what came out of bytes without a magic number is what went in once: a text longer than they are. */
export function isLikely(packed: Uint8Array, unpacked: Uint8Array): boolean {
  if (unpacked.length <= packed.length) return false;
  const text = utf8(unpacked);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: which no text has
  return text !== undefined && !/[\x00-\x08\x0e-\x1f\x7f]/.test(text);
}

type Take = (part: Uint8Array, final?: boolean) => void;
interface Stream {
  push: (part: Uint8Array, final?: boolean) => unknown;
}

function pushed(bytes: Uint8Array, streamOf: (take: Take) => Stream): Uint8Array {
  const parts: Uint8Array[] = [];
  let come = 0;
  let ended = false;
  const stream = streamOf((part, final = false) => {
    come += part.length;
    if (come > MOST_UNPACKED) throw tooLarge();
    parts.push(part.slice());
    ended ||= final;
  });
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
