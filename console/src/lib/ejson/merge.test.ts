import { describe, expect, it } from "vitest";
import { merge, parse, write } from ".";

function merged(base: string, mine: string, theirs: string): string | undefined {
  const node = merge(parse(base), parse(mine), parse(theirs));
  return node && write(node);
}

describe("two changes of a document", () => {
  it("come together where they are about different fields, also deep inside", () => {
    expect(
      merged(
        '{"a":1,"b":{"c":1,"d":1},"e":1}',
        '{"a":1,"b":{"c":2,"d":1}}',
        '{"b":{"c":1,"d":3},"e":1,"f":1}',
      ),
    ).toBe('{"b":{"c":2,"d":3},"f":1}');
    expect(merged('{"a":1}', '{"a":1,"mine":1}', '{"a":1,"theirs":1}')).toBe('{"a":1,"theirs":1,"mine":1}');
    expect(merged('{"a":1}', '{"a":2}', '{"a":2}')).toBe('{"a":2}');
  });

  it("do not where they are about the same value", () => {
    expect(merged('{"a":1}', '{"a":2}', '{"a":3}')).toBeUndefined();
    expect(merged('{"a":{"b":1}}', "{}", '{"a":{"b":2}}')).toBeUndefined();
    expect(merged('{"a":[1,2]}', '{"a":[0,1,2]}', '{"a":[1,2,3]}')).toBeUndefined();
    expect(merged("{}", '{"a":1}', '{"a":2}')).toBeUndefined();
    expect(
      merged('{"a":{"$numberLong":"1"}}', '{"a":{"$numberLong":"2"}}', '{"a":{"$numberLong":"3"}}'),
    ).toBeUndefined();
  });

  it("do not where fields were put in another order, or a name comes twice", () => {
    expect(merged('{"a":1,"b":1}', '{"b":1,"a":1}', '{"a":1,"b":2}')).toBeUndefined();
    expect(merged('{"a":1,"a":1}', '{"a":1,"a":2}', '{"a":2,"a":1}')).toBeUndefined();
  });
});
