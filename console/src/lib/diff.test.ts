import { expect, it } from "vitest";
import { type DiffLine, diffLines } from "./diff";

const SIGNS = { same: " ", removed: "-", added: "+" } as const;
const text = (found: readonly DiffLine[]) => found.map(({ kind, text }) => `${SIGNS[kind]}${text}`).join("|");
const side = (found: readonly DiffLine[], without: DiffLine["kind"]) =>
  found
    .filter(({ kind }) => kind !== without)
    .map((each) => each.text)
    .join("\n");

it.each([
  ["a\nb\nc", "a\nb\nc", " a| b| c"],
  ["a\nb\nc", "a\nx\nc", " a|-b|+x| c"],
  ["a\nb\nc\nd", "b\nc\ne\nd", "-a| b| c|+e| d"],
  ["a", "a\nb", " a|+b"],
  ["a\nb\na\nb", "b\na\nb\na", "-a| b| a| b|+a"],
])("says which lines go and come: %j → %j", (before, after, expected) => {
  expect(text(diffLines(before, after))).toBe(expected);
});

it("has both texts in it, however different they are", () => {
  const before = Array.from({ length: 3000 }, (_, line) => `old ${line}`).join("\n");
  const after = Array.from({ length: 3000 }, (_, line) => `new ${line}`).join("\n");
  const found = diffLines(before, after);
  expect(side(found, "added")).toBe(before);
  expect(side(found, "removed")).toBe(after);
});
