import { expect, it } from "vitest";
import { addUp } from "./namespaces";

const page = (namespaces: [string, number][], keys: string[], more: object = {}) => ({
  namespaces: namespaces.map(([value, count]) => ({ prefix: { value, full_length: 0 }, keys: count })),
  keys: keys.map((value) => ({ value, full_length: 0 })),
  cursor: "",
  scanned: 100,
  total_estimate: 1000,
  partial: true,
  omitted: 0,
  ...more,
});

it("adds the counts of pages up, by name", () => {
  const level = addUp([
    page(
      [
        ["user:", 2],
        ["session:", 1],
      ],
      ["b"],
    ),
    page([["user:", 3]], ["a", "b"], { total_estimate: 1200, omitted: 7 }),
  ]);
  expect(level.groups.map((group) => [group.prefix.value, group.keys])).toEqual([
    ["session:", 1],
    ["user:", 5],
  ]);
  expect(level.keys.map((key) => key.value)).toEqual(["a", "b"]);
  expect(level).toMatchObject({ scanned: 200, total: 1200, omitted: 7 });
});
