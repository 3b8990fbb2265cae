import { expect, it } from "vitest";
import { KeyTable } from "./table";

const key = (name: string, more: object = {}) => ({
  key: name,
  type: "string",
  ttl_ms: -1,
  memory_bytes: 56,
  length: 3,
  ...more,
});

it("lists a key once, however often SCAN returns it", () => {
  const table = new KeyTable();
  expect(table.add([key("a"), key("b"), key("a")])).toBe(2);
  expect(table.add([key("b"), key("c")])).toBe(1);
  expect([0, 1, 2, 3].map((row) => table.at(row)?.text)).toEqual(["a", "b", "c", undefined]);
});

it("tells bytes from the text of their base64", () => {
  const table = new KeyTable();
  table.add([key("/w=="), { ...key(""), key: undefined, key_base64: "/w==" }]);
  expect(table.size).toBe(2);
  expect(table.at(1)).toMatchObject({ name: { key_base64: "/w==" }, isBinary: true });
  expect(table.indexOf({ key: "/w==" })).toBe(0);
  expect(table.indexOf({ key_base64: "/w==" })).toBe(1);
});

it("keeps what is known of each key while it grows", () => {
  const table = new KeyTable();
  const page = Array.from({ length: 50_000 }, (_, at) =>
    key(`user:${at}`, { type: at % 2 ? "hash" : "zset", ttl_ms: at % 3 ? -1 : at, memory_bytes: at * 2 }),
  );
  table.add(page, 1_000);
  expect(table.at(49_998)).toMatchObject({
    text: "user:49998",
    type: "zset",
    memory: 99_996,
    expiresAt: 50_998,
  });
  expect(table.at(1)).toMatchObject({ type: "hash", expiresAt: -1 });
  expect(table.indexOf({ key: "user:31337" })).toBe(31_337);
  expect(table.indexOf({ key: "none" })).toBe(-1);
});

it("takes over what became of a key", () => {
  const table = new KeyTable();
  table.add([key("a"), key("b")]);
  table.update({ key: "a" }, undefined);
  table.update({ key: "b" }, { type: "hash", ttl_ms: 500, memory_bytes: -1, length: 2 }, 1_000);
  table.update({ key: "not listed" }, undefined);
  expect(table.at(0)).toMatchObject({ isGone: true, type: "string" });
  expect(table.at(1)).toMatchObject({ isGone: false, type: "hash", expiresAt: 1_500, memory: -1, length: 2 });
});
