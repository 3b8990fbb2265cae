import { describe, expect, test } from "vitest";
import { selectionOf, unquoted } from "./selection";

const NOTHING = { by: "pattern" as const, pattern: "", type: "", list: "" };

describe("a selection", () => {
  test("without a pattern is none: everything has to be asked for", () => {
    expect(typeof selectionOf(NOTHING)).toBe("string");
    expect(selectionOf({ ...NOTHING, pattern: "*" })).toEqual({ pattern: { value: "*" } });
  });

  test("by a list takes a key a line, blanks and bytes included", () => {
    const list = 'user:1\n with blanks \n"\\xff\\x00"\n\n';
    expect(selectionOf({ ...NOTHING, by: "list", list, type: "hash" })).toEqual({
      keys: [{ value: "user:1" }, { value: " with blanks " }, { value_base64: "/wA=" }],
      type: "hash",
    });
  });
});

test.each([
  ["plain \\x00", [...new TextEncoder().encode("plain \\x00")]],
  ['"a\\n\\"\\\\é"', [97, 10, 34, 92, 0xc3, 0xa9]],
  ['"', [34]],
])("the bytes of %j", (line, bytes) => {
  expect([...unquoted(line)]).toEqual(bytes);
});
