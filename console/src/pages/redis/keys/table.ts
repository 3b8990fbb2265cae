/** Listed keys in columns: a million of them take some 80 MB, where an object each would take several times that. */

import type { RedisKeyPage, RedisName } from "@studio-databases/client/react";

type Key = RedisKeyPage["keys"][number];

/** Keys that are kept at a time. */
export const MOST_KEYS = 1_000_000;

const FIRST_SIZE = 1024;
const NEVER = -1;

/** What is known of a listed key. */
export interface ListedKey {
  name: RedisName;
  /** Its name as it is kept: text, or base64 where `isBinary`. */
  text: string;
  isBinary: boolean;
  type: string;
  /** Milliseconds since 1970; -1 where it never expires. */
  expiresAt: number;
  /** Bytes and entries; -1 where unknown. */
  memory: number;
  length: number;
  /** It was deleted since. */
  isGone: boolean;
}

/** What may change of a listed key. */
export type KeyFacts = Pick<Key, "type" | "ttl_ms" | "memory_bytes" | "length">;

/** Rows in the order they came; a key that SCAN returns twice is listed once. */
export class KeyTable {
  private names: string[] = [];
  private readonly types: string[] = [];
  /** Per row: the type's index, whether the name is base64 of what is no text, whether the key was deleted. */
  private kinds = new Uint8Array(FIRST_SIZE);
  private binary = new Uint8Array(FIRST_SIZE);
  private gone = new Uint8Array(FIRST_SIZE);
  private expiresAt = new Float64Array(FIRST_SIZE);
  private memory = new Float64Array(FIRST_SIZE);
  private lengths = new Float64Array(FIRST_SIZE);
  /** Open addressing: a row's number + 1 at the place that its name hashes to. */
  private places = new Int32Array(FIRST_SIZE * 2);

  get size(): number {
    return this.names.length;
  }

  get isFull(): boolean {
    return this.size >= MOST_KEYS;
  }

  /** Adds a page; returns how many of its keys are new. What is beyond MOST_KEYS is added all the same: it is one page. */
  add(keys: readonly Key[], now = Date.now()): number {
    const before = this.size;
    for (const key of keys) this.addOne(key, now);
    return this.size - before;
  }

  at(row: number): ListedKey | undefined {
    const text = this.names[row];
    if (text === undefined) return undefined;
    const isBinary = this.binary[row] === 1;
    return {
      name: isBinary ? { key_base64: text } : { key: text },
      text,
      isBinary,
      type: this.types[this.kinds[row] ?? 0] ?? "",
      expiresAt: this.expiresAt[row] ?? NEVER,
      memory: this.memory[row] ?? NEVER,
      length: this.lengths[row] ?? NEVER,
      isGone: this.gone[row] === 1,
    };
  }

  /** Takes over what is known of a listed key now; undefined where it was deleted. */
  update(name: RedisName, facts: KeyFacts | undefined, now = Date.now()): void {
    const row = this.indexOf(name);
    if (row < 0) return;
    this.gone[row] = facts ? 0 : 1;
    if (facts) this.set(row, facts, now);
  }

  /** The row of a key; -1 where it is not listed. */
  indexOf(name: RedisName | undefined): number {
    if (!name) return -1;
    const text = name.key_base64 ?? name.key ?? "";
    return (this.places[this.placeOf(text, name.key_base64 === undefined ? 0 : 1)] ?? 0) - 1;
  }

  private addOne(key: Key, now: number): void {
    const isBinary = key.key_base64 ? 1 : 0;
    const text = key.key_base64 || (key.key ?? "");
    const row = this.size;
    const place = this.placeOf(text, isBinary);
    if (this.places[place] !== 0) return;
    if (row === this.kinds.length) this.grow();
    this.names.push(text);
    this.binary[row] = isBinary;
    this.set(row, key, now);
    // After growing the places are others.
    this.places[this.placeOf(text, isBinary)] = row + 1;
  }

  private set(row: number, facts: KeyFacts, now: number): void {
    this.kinds[row] = this.typeNumber(facts.type);
    this.expiresAt[row] = facts.ttl_ms < 0 ? NEVER : now + facts.ttl_ms;
    this.memory[row] = facts.memory_bytes;
    this.lengths[row] = facts.length;
  }

  /** Types are few; what a server with more than 255 modules' types has is shown without one. */
  private typeNumber(type: string): number {
    const known = this.types.indexOf(type);
    if (known >= 0) return known;
    if (this.types.length === 256) return 255;
    return this.types.push(type) - 1;
  }

  private placeOf(text: string, isBinary: number): number {
    const mask = this.places.length - 1;
    let place = hash(text) & mask;
    for (;;) {
      const row = (this.places[place] ?? 0) - 1;
      if (row < 0 || (this.names[row] === text && this.binary[row] === isBinary)) return place;
      place = (place + 1) & mask;
    }
  }

  private grow(): void {
    const size = this.kinds.length * 2;
    this.kinds = copied(this.kinds, new Uint8Array(size));
    this.binary = copied(this.binary, new Uint8Array(size));
    this.gone = copied(this.gone, new Uint8Array(size));
    this.expiresAt = copied(this.expiresAt, new Float64Array(size));
    this.memory = copied(this.memory, new Float64Array(size));
    this.lengths = copied(this.lengths, new Float64Array(size));
    this.places = new Int32Array(size * 2);
    for (let row = 0; row < this.size; row += 1) {
      this.places[this.placeOf(this.names[row] ?? "", this.binary[row] ?? 0)] = row + 1;
    }
  }
}

function copied<A extends Uint8Array | Float64Array>(from: A, to: A): A {
  to.set(from);
  return to;
}

/** FNV-1a over UTF-16 units: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}
