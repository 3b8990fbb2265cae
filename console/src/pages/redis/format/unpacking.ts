/** What formats of the LZ77 family are unpacked with: a reader of bytes, and what comes out of them. */

/** Bytes at most that a value is unpacked to: a small one can hide gigabytes. */
export const MOST_UNPACKED = 16 << 20;

const FIRST_SIZE = 1 << 16;

/** Literal bytes, and repetitions of what has come out before. */
export class Output {
  #bytes = new Uint8Array(FIRST_SIZE);
  /** Bytes that have come out. */
  length = 0;

  /** Appends bytes as they are. */
  literal(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends `length` bytes that begin `distance` before the end: the last of them may be among the new ones. */
  repeat(distance: number, length: number): void {
    if (distance < 1 || distance > this.length)
      throw new Error("The compressed bytes point before their start.");
    this.#room(length);
    let left = length;
    while (left > 0) {
      // What has been copied is there to be copied again: twice as much each time.
      const part = Math.min(left, distance + length - left);
      const from = this.length - distance - (length - left);
      this.#bytes.copyWithin(this.length, from, from + part);
      this.length += part;
      left -= part;
    }
  }

  /** All that has come out. */
  whole(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }

  #room(more: number): void {
    const needed = this.length + more;
    if (needed > MOST_UNPACKED) throw tooLarge();
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.min(MOST_UNPACKED, Math.max(needed, this.#bytes.length * 2)));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}

/** Reads bytes one after the other. */
export class Input {
  #at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get isAtEnd(): boolean {
    return this.#at >= this.bytes.length;
  }

  byte(): number {
    const [byte = 0] = this.take(1);
    return byte;
  }

  /** A number of that many bytes, the least significant first; as large as a JavaScript number is exact. */
  number(bytes: number): number {
    return this.take(bytes).reduceRight((sum, byte) => sum * 256 + byte, 0);
  }

  take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.bytes.length) throw new Error("The compressed bytes end too early.");
    const taken = this.bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

export function tooLarge(): Error {
  return new Error("It unpacks to more than 16 MB.");
}
