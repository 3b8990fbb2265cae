/** Bytes as hexadecimal digits, to look at and to edit. */

const LINE = 16;
const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, "0"),
);

/** Sixteen bytes a line, as `parseHex` takes them back. */
export function toHex(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    lines.push(Array.from(bytes.subarray(at, at + LINE), (byte) => DIGITS[byte]).join(" "));
  }
  return lines.join("\n");
}

/** The same with offsets before, counted from `first`, and printable characters behind: to look at. */
export function hexDump(bytes: Uint8Array, first = 0): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE) {
    const row = Array.from(bytes.subarray(at, at + LINE));
    const hex = row.map((byte) => DIGITS[byte]).join(" ");
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${(first + at).toString(16).padStart(8, "0")}  ${hex.padEnd(LINE * 3 - 1)}  ${text}`);
  }
  return lines.join("\n");
}

/** The bytes of pairs of digits; space between them does not count.
 *
 * @throws where there is anything else.
 */
export function parseHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  if (!/^[0-9a-f]*$/i.test(digits)) throw new Error("Only digits from 0 to 9 and a to f may stand here.");
  if (digits.length % 2 === 1) throw new Error("A digit is missing: each byte has two.");
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}
