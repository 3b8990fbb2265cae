import { encode } from "@msgpack/msgpack";
import { deflateSync, gzipSync, zlibSync } from "fflate";
import { describe, expect, it } from "vitest";
import { codecOf, unpack } from "./compression";
import { FORMATS, type Format, guess, show } from "./formats";

const utf8 = (text: string) => new TextEncoder().encode(text);
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
  ["bytes", anyBytes, { codec: undefined, format: "hex" }],
  ["MessagePack", encode({ id: 1, raw: anyBytes }), { codec: undefined, format: "msgpack" }],
  ["gzip", gzipSync(utf8('{"a":1}')), { codec: "gzip", format: "json" }],
  ["zlib", zlibSync(utf8("xxxxxxxx")), { codec: "zlib", format: "text" }],
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

it("never unpacks more than it may, nor less than all", () => {
  const bomb = gzipSync(new Uint8Array(32 << 20));
  expect(() => unpack(bomb, "gzip")).toThrow("16 MB");
  const packed = deflateSync(utf8("a".repeat(10_000)));
  expect(unpack(packed, "deflate")).toHaveLength(10_000);
  expect(() => unpack(packed.subarray(0, packed.length - 4), "deflate")).toThrow();
  expect(codecOf(packed)).toBeUndefined();
});

it("leaves compressed values to be edited as bytes", () => {
  const packed = gzipSync(utf8("text"));
  expect(show(packed, "text", "gzip")).toMatchObject({ text: "text", why: expect.stringContaining("hex") });
  expect(show(packed, "text", "gzip").parse).toBeUndefined();
});

function attempt(bytes: Uint8Array, format: Format) {
  try {
    return show(bytes, format);
  } catch {
    return undefined;
  }
}
