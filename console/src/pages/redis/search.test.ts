import { expect, it } from "vitest";
import { spanMs, spanOf } from "./duration-field";
import { globOf, quoted } from "./keys/pattern";
import { chosenKey, keySearch, redisSearch } from "./search";
import { onlyElement } from "./values/json-path";

it("opens the key that the address names, whatever it is called", () => {
  for (const name of [{ key: "" }, { key: "a:b" }, { key_base64: "/w==" }]) {
    expect(chosenKey(redisSearch(keySearch(name)))).toEqual({
      key: undefined,
      key_base64: undefined,
      ...name,
    });
  }
  expect(chosenKey(redisSearch({ key: 42 }))).toEqual({ key: "42" });
  expect(chosenKey(redisSearch({ key64: "no base64!" }))).toBeUndefined();
  expect(redisSearch({ layout: "elsewhere", other: ["x"] })).toEqual({ layout: undefined, key64: undefined });
});

it("looks for part of a name unless a pattern was typed", () => {
  expect(["", "*", "user", "user:*", "a?c", "[ab]"].map(globOf)).toEqual([
    "",
    "",
    "*user*",
    "user:*",
    "a?c",
    "[ab]",
  ]);
  expect(quoted("a*[b]?\\^")).toBe("a\\*\\[b\\]\\?\\\\\\^");
});

it("takes the text of a JSON array's only element as it is written", () => {
  expect(onlyElement(' [ {"n": 1.0, "big": 12345678901234567890} ] ')).toBe(
    '{"n": 1.0, "big": 12345678901234567890}',
  );
  for (const json of ["[]", "[1,2]", "{}", "no"]) expect(onlyElement(json)).toBeUndefined();
});

it("shows a span of time in the largest unit that has it whole", () => {
  expect(spanOf(7_200_000)).toEqual({ amount: "2", unitMs: 3_600_000 });
  expect(spanOf(5_400_100)).toEqual({ amount: "5401", unitMs: 1000 });
  expect(spanMs(spanOf(-1))).toBeUndefined();
  expect(spanMs({ amount: "1.5", unitMs: 60_000 })).toBe(90_000);
  for (const amount of ["0", "-1", "x"]) expect(spanMs({ amount, unitMs: 1000 })).toBeNaN();
});
