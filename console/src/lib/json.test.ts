import { expect, it } from "vitest";
import { compact, layOut } from "./json";

it.each([
  ['{"b":1,"a":[1,2]}', '{\n  "b": 1,\n  "a": [\n    1,\n    2\n  ]\n}'],
  ["[]", "[]"],
  ['{ "a" : { } }', '{\n  "a": {}\n}'],
  ["12345678901234567890", "12345678901234567890"],
  ['{"n":1.0,"n":1e400}', '{\n  "n": 1.0,\n  "n": 1e400\n}'],
  ['"a, {b}: \\" c"', '"a, {b}: \\" c"'],
  ["no json {", "no json {"],
])("%s", (text, laidOut) => {
  expect(layOut(text)).toBe(laidOut);
  expect(compact(laidOut)).toBe(compact(text));
});
