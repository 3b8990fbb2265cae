import { describe, expect, it } from "vitest";
import {
  canonical,
  compact,
  EDITABLE,
  fieldsOf,
  fromText,
  isEditable,
  parse,
  setAt,
  textOf,
  typeOf,
} from ".";
import { write, writeLines } from "./write";

/** Canonical texts, as the server writes them: each type, and what JSON.parse would lose. */
const CANONICAL = [
  '{"b":{"$numberInt":"1"},"a":{"$numberInt":"2"},"b":{"$numberInt":"3"},"1":null,"__proto__":true}',
  '{"v":{"$numberLong":"9007199254740993"},"w":{"$numberLong":"5"}}',
  '{"$numberDouble":"0.1"}',
  '{"$numberDouble":"5.0"}',
  '{"$numberDouble":"-0.0"}',
  '{"$numberDouble":"1e+300"}',
  '{"$numberDouble":"NaN"}',
  '{"$numberDecimal":"12345678901234567890.12345678901234"}',
  '{"$date":{"$numberLong":"1709251199999"}}',
  '{"$date":{"$numberLong":"-4861641600000"}}',
  '{"$date":{"$numberLong":"9223372036854775807"}}',
  '{"$binary":{"base64":"AP+A","subType":"00"}}',
  '{"$binary":{"base64":"w7MpRZQ8TGSfUkqZ5BhTYQ==","subType":"04"}}',
  '{"$timestamp":{"t":1700000000,"i":7}}',
  '{"$regularExpression":{"pattern":"^a/b\\\\d","options":"im"}}',
  '{"$code":"function () { return x; }","$scope":{"x":{"$numberInt":"1"}}}',
  '{"$bson":{"type":"03","base64":"BQAAAAA="}}',
  '[{"$oid":"65920080c0ffee0000000001"},{"$minKey":1},{"$maxKey":1},"Grüße 👋 \\ud800",[],{}]',
];

describe("exact values", () => {
  it.each(CANONICAL)("come back from the tree and from the compact form: %s", (text) => {
    const node = parse(text);
    expect(write(node)).toBe(text);
    expect(write(canonical(parse(writeLines(compact(node)))))).toBe(text);
  });

  it("are short in the compact form", () => {
    const node = parse(
      '{"n":{"$numberInt":"5"},"d":{"$numberDouble":"5.0"},"t":{"$date":{"$numberLong":"0"}}}',
    );
    expect(write(compact(node))).toBe('{"n":5,"d":5.0,"t":{"$date":"1970-01-01T00:00:00Z"}}');
  });

  it.each(CANONICAL.filter((text) => isEditable(typeOf(parse(text)))))(
    "keep their type when edited: %s",
    (text) => {
      const node = parse(text);
      const type = EDITABLE.find((each) => each === typeOf(node)) ?? "null";
      expect(write(fromText(type, textOf(node)))).toBe(text);
    },
  );

  it.each([
    ["int", "2147483648"],
    ["long", "9223372036854775808"],
    ["double", "five"],
    ["date", "2024-02-31T00:00:00Z"],
    ["date", "2024-02-28T00:00:00"],
    ["objectId", "65920080"],
    ["binData", "00 A"],
    ["bool", "yes"],
  ] as const)("are refused where they are none: %s %s", (type, text) => {
    expect(() => fromText(type, text)).toThrow(/This must be/);
  });
});

describe("the shell's syntax", () => {
  it.each([
    ["{a: 1, 'b.c': {$gt: 2.50,},}", '{"a":1,"b.c":{"$gt":2.50}}'],
    ['{_id: ObjectId("65920080c0ffee0000000001")}', '{"_id":{"$oid":"65920080c0ffee0000000001"}}'],
    ["{n: NumberLong(9007199254740993)}", '{"n":{"$numberLong":"9007199254740993"}}'],
    ['{t: {$lt: new Date("2024-01-01")}}', '{"t":{"$lt":{"$date":"2024-01-01T00:00:00Z"}}}'],
    ["{s: /^a\\/b/i}", '{"s":{"$regularExpression":{"pattern":"^a/b","options":"i"}}}'],
    [`{s: 'it\\'s "so"'}`, '{"s":"it\'s \\"so\\""}'],
    ["{d: -Infinity}", '{"d":{"$numberDouble":"-Infinity"}}'],
  ])("is read: %s", (text, json) => {
    expect(write(parse(text, true))).toBe(json);
  });

  it("is no JSON", () => {
    expect(() => parse("{a: 1}")).toThrow("A name in quotes is expected (column 2).");
  });
});

it.each([
  ['{"a":1', "closing }"],
  ['{"a":01}', "closing }"],
  ['{\n "a": x}', "line 2, column 7"],
  ["[1,]", "A value is expected"],
  ['{"a":"b}', "not closed"],
  ["{} {}", "Nothing may follow"],
  ["[".repeat(5000), "nested too deeply"],
])("says what is wrong, and where: %s", (text, message) => {
  expect(() => parse(text)).toThrow(message);
});

it("replaces and takes away by place, since names may come twice", () => {
  const node = parse('{"a":1,"a":[2,3]}');
  expect(write(setAt(node, [1, 0], parse("9")))).toBe('{"a":1,"a":[9,3]}');
  expect(write(setAt(node, [0], undefined))).toBe('{"a":[2,3]}');
});

it("finds the fields of documents, those inside arrays as queries name them", () => {
  const found = fieldsOf([parse('{"a":[{"b":1},{"b":"x"}],"c":{"$oid":"0"}}')]);
  expect([...found]).toEqual([
    ["a", new Set(["array"])],
    ["a.b", new Set(["int", "string"])],
    ["c", new Set(["objectId"])],
  ]);
});
