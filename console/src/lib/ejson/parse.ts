/** Reads Extended JSON, and on request what MongoDB's shell takes as well: bare names, `ObjectId("…")`, `/a/i`. */

import { array, literal, type Member, type Node, number, object, string } from "./ast";
import { constructed, regularExpression } from "./shell";

/** Documents and arrays inside one another at most; MongoDB's own limit is 100. */
const MAX_DEPTH = 250;

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0d, 0x0a]);
const FIRST_PRINTABLE = 0x20;
const BACKSLASH = 0x5c;
const NAME = /[\p{L}_$][\p{L}\p{N}_$]*/uy;
const REGEX = /\/((?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([a-z]*)/y;
const LITERALS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** A text that can't be read; `at` is the place in it. */
export class ParseError extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

/** The tree of a text.
 *
 * @param shell also takes what the shell takes.
 * @throws ParseError
 */
export function parse(text: string, shell = false): Node {
  const reader = new Reader(text, shell);
  const node = reader.value(0);
  reader.end();
  return node;
}

class Reader {
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly shell: boolean,
  ) {}

  end(): void {
    this.space();
    if (this.at < this.text.length) this.fail("Nothing may follow the value");
  }

  value(depth: number): Node {
    this.space();
    const char = this.text[this.at];
    if (char === undefined) this.fail("A value is missing at the end");
    if (depth > MAX_DEPTH) this.fail("The value is nested too deeply");
    if (char === "{") return this.object(depth);
    if (char === "[") {
      this.at += 1;
      return array(this.list("]", depth));
    }
    if (char === '"' || (this.shell && char === "'")) return string(this.quoted(char));
    if (char === "-" || (char >= "0" && char <= "9")) {
      const digits = this.match(NUMBER);
      if (digits) return number(digits[0]);
    }
    if (this.shell && char === "/") {
      const found = this.match(REGEX);
      if (found) return regularExpression(found[1] ?? "", found[2] ?? "");
    }
    return this.word(depth);
  }

  private word(depth: number): Node {
    const from = this.at;
    const negative = this.shell && this.take("-");
    const name = `${negative ? "-" : ""}${this.match(NAME)?.[0] ?? ""}`;
    const known = LITERALS.get(name);
    if (known !== undefined) return literal(known);
    if (!this.shell || !name || name === "-") this.fail("A value is expected", from);
    if (name === "new") {
      this.space();
      return this.word(depth);
    }
    this.space();
    const values = this.take("(") ? this.list(")", depth) : undefined;
    try {
      return constructed(name, values);
    } catch (error) {
      return this.fail(error instanceof Error ? error.message : String(error), from);
    }
  }

  private object(depth: number): Node {
    this.at += 1;
    const members: Member[] = [];
    for (;;) {
      this.space();
      if ((members.length === 0 || this.shell) && this.take("}")) return object(members);
      const name = this.name();
      this.space();
      if (!this.take(":")) this.fail("A colon is expected after a name");
      members.push({ name, value: this.value(depth + 1) });
      this.space();
      if (this.take("}")) return object(members);
      if (!this.take(",")) this.fail("A comma or the closing } is expected");
    }
  }

  private list(close: "]" | ")", depth: number): Node[] {
    const items: Node[] = [];
    for (;;) {
      this.space();
      if ((items.length === 0 || this.shell) && this.take(close)) return items;
      items.push(this.value(depth + 1));
      this.space();
      if (this.take(close)) return items;
      if (!this.take(",")) this.fail(`A comma or the closing ${close} is expected`);
    }
  }

  private name(): string {
    const char = this.text[this.at];
    if (char === '"' || (this.shell && char === "'")) return this.quoted(char);
    const bare = this.shell ? this.match(NAME) : null;
    return bare?.[0] ?? this.fail("A name in quotes is expected");
  }

  /** A string; its end is searched by hand, since a regular expression gives up on one of some megabytes. */
  private quoted(quote: string): string {
    const from = this.at;
    const simple = this.simple(quote.charCodeAt(0));
    if (simple !== undefined) return simple;
    let end = from + 1;
    for (;;) {
      end = this.text.indexOf(quote, end);
      if (end < 0) this.fail("The text is not closed", from);
      let slashes = 0;
      while (this.text[end - 1 - slashes] === "\\") slashes += 1;
      if (slashes % 2 === 0) break;
      end += 1;
    }
    this.at = end + 1;
    const raw = this.text.slice(from, this.at);
    try {
      return JSON.parse(quote === '"' ? raw : doubleQuoted(raw)) as string;
    } catch {
      return this.fail("The text has a wrong escape or a line break", from);
    }
  }

  /** A string without escapes, which most are; undefined for any other. */
  private simple(quote: number): string | undefined {
    const from = this.at + 1;
    for (let at = from; at < this.text.length; at += 1) {
      const code = this.text.charCodeAt(at);
      if (code === quote) {
        this.at = at + 1;
        return this.text.slice(from, at);
      }
      if (code === BACKSLASH || code < FIRST_PRINTABLE) return undefined;
    }
    return undefined;
  }

  private space(): void {
    while (SPACE.has(this.text.charCodeAt(this.at))) this.at += 1;
  }

  private take(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at += 1;
    return true;
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  private fail(message: string, at = this.at): never {
    const before = this.text.slice(0, at).split("\n");
    const column = (before.at(-1)?.length ?? 0) + 1;
    const place = before.length > 1 ? `line ${before.length}, column ${column}` : `column ${column}`;
    throw new ParseError(`${message} (${place}).`, at);
  }
}

/** A string in single quotes as JSON writes it. */
function doubleQuoted(raw: string): string {
  const inner = raw.slice(1, -1).replace(/\\.|"/gs, (found) => {
    if (found === "\\'") return "'";
    return found === '"' ? '\\"' : found;
  });
  return `"${inner}"`;
}
