/** Snappy blocks: https://github.com/google/snappy/blob/main/format_description.txt. */

import { Input, MOST_UNPACKED, Output, tooLarge } from "./unpacking";

/** @throws where the bytes are no Snappy block, are cut, or unpack to too much. */
export function snappy(bytes: Uint8Array): Uint8Array {
  const input = new Input(bytes);
  const length = varint(input);
  if (length > MOST_UNPACKED) throw tooLarge();
  const output = new Output();
  while (!input.isAtEnd) {
    const tag = input.byte();
    const size = tag >> 2;
    switch (tag & 3) {
      case 0:
        output.literal(input.take((size < 60 ? size : input.number(size - 59)) + 1));
        break;
      case 1: {
        const high = (tag >> 5) << 8;
        output.repeat(high + input.byte(), 4 + (size & 7));
        break;
      }
      default:
        output.repeat(input.number((tag & 3) === 2 ? 2 : 4), size + 1);
    }
    if (output.length > length) break;
  }
  if (output.length !== length)
    throw new Error("The Snappy block does not unpack to the length that it names.");
  return output.whole();
}

/** A number of 32 bits, seven a byte, the least significant first. */
function varint(input: Input): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = input.byte();
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return value;
  }
  throw new Error("The bytes are no Snappy block.");
}
