import { brotliCompressSync, zstdCompressSync } from "node:zlib";
import { encode } from "@msgpack/msgpack";
import { deflateSync, gzipSync, zlibSync } from "fflate";
import { compress as lz4Compress } from "lz4js";
import { compress as snappyCompress } from "snappyjs";
import { describe, expect, it } from "vitest";
import { BUILT_IN, CODECS, type Codec, type Unpackers, withUnpacker } from "./compression";
import { FORMATS, type Format, guess, show, showRange } from "./formats";

const utf8 = (text: string) => new TextEncoder().encode(text);
const REPETITIVE = utf8(JSON.stringify(Array(50).fill({ name: "repeated", n: 1 })));
const anyBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

describe("what was not edited is saved as it was", () => {
  it.each([
    ["any bytes", anyBytes],
    ["nothing", new Uint8Array()],
    ["a byte order mark", utf8("\ufeffText")],
    ["Windows' line ends", utf8("a\r\nb\r\n")],
    ["old Macs' line ends", utf8("a\rb\r")],
    ["mixed line ends", utf8("a\r\nb\nc\r")],
    ["compact JSON", utf8('{"n":12345678901234567890,"d":1.10}')],
    ["NUL and emoji", utf8("\u0000 👩‍👩‍👧")],
  ])("%s", (_, bytes) => {
    for (const { value: format } of FORMATS) {
      const shown = attempt(bytes, format);
      // An editor joins lines by \n whatever came in.
      const edited = shown?.text.split(/\r\n?|\n/).join("\n");
      if (shown?.parse) expect(shown.parse(edited ?? "")).toEqual(bytes);
    }
  });
});

it.each([
  ['{"a":[1,"x, y: z"]}', '{"a":[1,"x, y: z",3.10]}'],
  ['{"a": [1, "x, y: z"]}', '{"a": [1, "x, y: z", 3.10]}'],
  ['{\n    "a": []\n}', '{\n    "a": [\n        1,\n        "x, y: z",\n        3.10\n    ]\n}'],
])("stores JSON in the layout it had: %s", (before, after) => {
  const shown = show(utf8(before), "json");
  expect(shown.parse?.('{\n  "a": [1, "x, y: z", 3.10]\n}')).toEqual(utf8(after));
  expect(() => shown.parse?.("{")).toThrow();
});

it.each(["0", "0g", "zz"])("refuses hex %s", (text) => {
  expect(() => show(anyBytes, "hex").parse?.(text)).toThrow();
});

it.each<[string, Uint8Array, ReturnType<typeof guess>]>([
  ["text", utf8("plain"), { codec: undefined, format: "text" }],
  ["a number", utf8("42"), { codec: undefined, format: "text" }],
  ["JSON", utf8(' {"a": 1}'), { codec: undefined, format: "json" }],
  ["bytes", new Uint8Array([0xff, 0]), { codec: undefined, format: "hex" }],
  ["MessagePack", encode({ id: 1, raw: anyBytes }), { codec: undefined, format: "msgpack" }],
  [
    "bytes that begin like MessagePack",
    new Uint8Array([0x80, 0, 0xff, 0x0a]),
    { codec: undefined, format: "hex" },
  ],
  ["gzip", gzipSync(utf8('{"a":1}')), { codec: "gzip", format: "json" }],
  ["zlib", zlibSync(utf8("xxxxxxxx")), { codec: "zlib", format: "text" }],
  ["raw deflate", deflateSync(REPETITIVE), { codec: "deflate", format: "json" }],
  ["LZ4", new Uint8Array(lz4Compress(REPETITIVE)), { codec: "lz4", format: "json" }],
  ["Snappy", new Uint8Array(snappyCompress(REPETITIVE)), { codec: "snappy", format: "json" }],
  [
    "brotli, once it can be unpacked",
    brotliCompressSync(REPETITIVE),
    { codec: undefined, format: "hex", needs: "brotli" },
  ],
  [
    "zstd, once it can be unpacked",
    zstdCompressSync(REPETITIVE),
    { codec: "zstd", format: "hex", needs: "zstd" },
  ],
  ["text that begins like zlib", utf8("x\u0001 no zlib"), { codec: undefined, format: "text" }],
])("takes %s for what it is", (_, bytes, found) => {
  expect(guess(bytes)).toEqual(found);
});

it("keeps what MessagePack has and JSON does not", () => {
  const text = show(
    encode({ big: 2n ** 63n, bin: new Uint8Array([255]) }, { useBigInt64: true }),
    "msgpack",
  ).text;
  expect(text).toContain("9223372036854775808");
  expect(text).toContain('{"$binary": "/w=="}');
});

describe("what is compressed", () => {
  const LARGE = new Uint8Array(17 << 20);
  const pack: Record<Codec, (bytes: Uint8Array) => Uint8Array> = {
    gzip: gzipSync,
    zlib: zlibSync,
    deflate: deflateSync,
    brotli: (bytes) => new Uint8Array(brotliCompressSync(bytes)),
    zstd: (bytes) => new Uint8Array(zstdCompressSync(bytes)),
    lz4: (bytes) => new Uint8Array(lz4Compress(bytes)),
    snappy: (bytes) => new Uint8Array(snappyCompress(bytes)),
  };

  it.each(CODECS)("as %s is found, unpacked and never edited unpacked", async (codec) => {
    const unpackers = await all();
    const packed = pack[codec](REPETITIVE);
    expect(guess(packed, unpackers)).toEqual({ codec, format: "json" });
    const shown = show(packed, "json", codec, unpackers);
    expect(JSON.parse(shown.text)).toHaveLength(50);
    expect(shown.parse).toBeUndefined();
    expect(shown.why).toContain("View only");
  });

  it.each(CODECS)("as %s is never unpacked to more than it may, nor cut", async (codec) => {
    const unpackers = await all();
    expect(() => show(pack[codec](LARGE), "hex", codec, unpackers)).toThrow();
    const packed = pack[codec](REPETITIVE);
    expect(() => show(packed.subarray(0, packed.length / 2), "text", codec, unpackers)).toThrow();
  });

  it("is not seen in bytes that only are no text", async () => {
    const unpackers = await all();
    for (let seed = 1; seed < 60; seed += 1) {
      let state = seed;
      const bytes = Uint8Array.from({ length: 16 + (seed % 64) }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state >>> 24;
      });
      expect(guess(bytes, unpackers).codec).toBeUndefined();
    }
  });

  async function all(): Promise<Unpackers> {
    return withUnpacker("zstd", await withUnpacker("brotli", BUILT_IN));
  }
});

describe("a range of a long value", () => {
  const text = utf8("añ€👩 text");

  it("shows whole characters, and saves those it cuts as they were", () => {
    for (let start = 0; start < text.length; start += 1) {
      for (let end = start; end <= text.length; end += 1) {
        const range = text.subarray(start, end);
        const shown = showRange(range, "text", start);
        expect(shown.text).not.toContain("\ufffd");
        expect(shown.parse?.(shown.text)).toEqual(range);
      }
    }
  });

  it("is edited as bytes where it is no text", () => {
    expect(showRange(anyBytes, "text", 0).parse).toBeUndefined();
    expect(showRange(anyBytes, "hex", 0).parse?.("00")).toEqual(new Uint8Array(1));
    expect(showRange(anyBytes, "dump", 0x1000).text).toContain("00001010  10 11");
  });
});

function attempt(bytes: Uint8Array, format: Format) {
  try {
    return show(bytes, format);
  } catch {
    return undefined;
  }
}
