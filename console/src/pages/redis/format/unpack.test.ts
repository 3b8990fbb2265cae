import { compress as lz4Compress } from "lz4js";
import { compress as snappyCompress } from "snappyjs";
import { describe, expect, it } from "vitest";
import { lz4 } from "./lz4";
import { snappy } from "./snappy";

const bytesOf = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (each) => Number.parseInt(each, 16));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Bytes of every kind: runs, repetitions near and far, and noise. */
function sample(size: number): Uint8Array {
  let state = size + 1;
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const kind = (at >> 9) % 4;
    const back = [1, 7, 70_000][kind];
    bytes[at] = back !== undefined && at >= back ? (bytes[at - back] ?? 0) : state >>> 24;
  }
  return bytes;
}

describe.each([
  ["LZ4", lz4Compress, lz4],
  ["Snappy", snappyCompress, snappy],
])("%s", (_, pack, unpack) => {
  it.each([0, 1, 12, 13, 60, 61, 300, 65_536, 300_000])("unpacks %d bytes", (size) => {
    const bytes = sample(size);
    const packed = new Uint8Array(pack(bytes));
    expect(unpack(packed)).toEqual(bytes);
  });

  it("refuses what is cut anywhere", () => {
    const packed = new Uint8Array(pack(sample(600)));
    for (let end = 0; end < packed.length; end += 1) {
      expect(() => unpack(packed.subarray(0, end))).toThrow();
    }
  });

  it("takes noise for nothing else than it is, and ends", () => {
    for (let size = 1; size < 400; size += 1) {
      const noise = sample(4096).subarray(1536, 1536 + size);
      try {
        expect(unpack(noise).length).toBeLessThanOrEqual(16 << 20);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });
});

// Frames as the formats' own documents describe them, written by hand.
it.each([
  ["a stored block", "04224d18 40 40 00 05000080 68656c6c6f 00000000", "hello"],
  [
    "a length and checksums",
    "04224d18 5c 40 0500000000000000 00 05000080 68656c6c6f 12345678 00000000 12345678",
    "hello",
  ],
  ["overlapping repetition", "04224d18 40 40 00 06000000 1a 61 0100 10 62 00000000", "aaaaaaaaaaaaaaab"],
  ["a skippable frame", "512a4d18 02000000 ffff 04224d18 40 40 00 01000080 61 00000000", "a"],
])("LZ4 has %s", (_, hex, unpacked) => {
  expect(text(lz4(bytesOf(hex.replaceAll(" ", ""))))).toBe(unpacked);
});

it.each([
  ["another version", "04224d18 00 40 00 00000000"],
  ["a dictionary", "04224d18 41 40 00000000 00 00000000"],
  ["another length than it names", "04224d18 48 40 0400000000000000 00 05000080 68656c6c6f 00000000"],
  ["a repetition of what was never there", "04224d18 40 40 00 06000000 1a 61 0200 10 62 00000000"],
  ["a repetition of nothing", "04224d18 40 40 00 06000000 1a 61 0000 10 62 00000000"],
  ["another format", "1f8b0800"],
])("LZ4 refuses %s", (_, hex) => {
  expect(() => lz4(bytesOf(hex.replaceAll(" ", "")))).toThrow();
});

it.each([
  ["a literal of a long length", `46 f045 ${"61".repeat(70)}`, "a".repeat(70)],
  ["copies by one, two and four bytes", "0c 046162 0102 0a0200 0703000000 0063", "ababababaabc"],
])("Snappy has %s", (_, hex, unpacked) => {
  expect(text(snappy(bytesOf(hex.replaceAll(" ", ""))))).toBe(unpacked);
});

it.each([
  ["a length of more than 32 bits", "ffffffffff01"],
  ["more than it may", "80808010 0061"],
  ["more than its length", "01 046162"],
  ["less than its length", "03 046162"],
  ["a copy of what was never there", "06 046162 0103"],
])("Snappy refuses %s", (_, hex) => {
  expect(() => snappy(bytesOf(hex.replaceAll(" ", "")))).toThrow();
});
