/** LZ4 frames: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md beside it.
 *
 * Checksums are skipped: whoever can change a value can change them as well.
 */

import { Input, Output } from "./unpacking";

const MAGIC = 0x184d2204;
/** Frames that hold something else: 16 magic numbers that differ in their last four bits. */
const SKIPPABLE = 0x184d2a50;

/** @throws where the bytes are no LZ4 frames, are cut, or unpack to too much. */
export function lz4(bytes: Uint8Array): Uint8Array {
  const input = new Input(bytes);
  const output = new Output();
  do {
    const magic = input.number(4);
    if (magic === MAGIC) frame(input, output);
    else if (magic - (magic % 16) === SKIPPABLE) input.take(input.number(4));
    else throw new Error("The compressed bytes are no LZ4 frame.");
  } while (!input.isAtEnd);
  return output.whole();
}

function frame(input: Input, output: Output): void {
  const flags = input.byte();
  const has = (bit: number) => (flags & (1 << bit)) !== 0;
  if (flags >> 6 !== 1) throw new Error("The LZ4 frame has an unknown version.");
  if (has(0)) throw new Error("The LZ4 frame needs a dictionary.");
  input.byte(); // how large a block may be
  const length = has(3) ? input.number(8) : undefined;
  input.byte(); // the header's checksum
  const start = output.length;
  for (;;) {
    const size = input.number(4);
    if (size === 0) break;
    const data = input.take(size % 2 ** 31);
    if (size >= 2 ** 31) output.literal(data);
    else block(data, output);
    if (has(4)) input.take(4);
  }
  if (has(2)) input.take(4);
  if (length !== undefined && output.length - start !== length) {
    throw new Error("The LZ4 frame does not unpack to the length that it names.");
  }
}

function block(data: Uint8Array, output: Output): void {
  const input = new Input(data);
  for (;;) {
    const token = input.byte();
    output.literal(input.take(long(token >> 4, input)));
    if (input.isAtEnd) return; // a block ends with literal bytes
    const distance = input.number(2);
    output.repeat(distance, long(token & 15, input) + 4);
  }
}

/** A length of four bits, which goes on in further bytes while they are full. */
function long(start: number, input: Input): number {
  let length = start;
  if (start < 15) return length;
  let byte: number;
  do {
    byte = input.byte();
    length += byte;
  } while (byte === 255);
  return length;
}
