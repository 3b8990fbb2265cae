import { expect, it } from "vitest";
import { openQuote } from "./complete";
import { queryOf } from "./query";

const OF = { databaseName: "shop", collection: "orders" };

it("reads a query as it is typed, with its numbers as they are", () => {
  const { query } = queryOf(OF, {
    filter: "{tracking: {$gt: NumberLong('9007199254740993')}, n: 1.50}",
    sort: '{"b": -1, "1": 1}',
    hint: "status_1",
    skip: 5,
  });
  expect(query).toMatchObject({
    filter: '{"tracking":{"$gt":{"$numberLong":"9007199254740993"}},"n":1.50}',
    sort: '{"b":-1,"1":1}',
    hint: '"status_1"',
    projection: "",
    skip: 5,
  });
});

it("asks for everything where the filter is empty, so that the server need not look", () => {
  expect(queryOf(OF, { filter: " {} " }).query?.filter).toBe("");
});

it("says by field what can't be read", () => {
  expect(queryOf(OF, { filter: "{a: }", sort: "[1]", hint: "{" })).toEqual({
    errors: {
      filter: expect.stringContaining("column 5"),
      sort: expect.stringContaining("must be a document"),
      hint: expect.any(String),
    },
  });
});

it.each([
  ['{"a', 1],
  ['{"a"', undefined],
  ['{"a\\"b', 1],
  ["{'a\"", 1],
  ['{"a": "b", c', undefined],
])("knows where a string is open: %s", (text, at) => {
  expect(openQuote(text)).toBe(at);
});
