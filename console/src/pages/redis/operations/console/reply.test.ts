import type { RedisReply } from "@studio-databases/client/react";
import { describe, expect, test } from "vitest";
import { quoted, replyText } from "./reply";

/** A reply that is bytes. */
function bulk(value: string): RedisReply {
  return { bulk: { value, full_length: 0 } };
}

describe("a reply as redis-cli writes it", () => {
  test.each<[RedisReply, string]>([
    [{ null: true }, "(nil)"],
    [{ status: "OK" }, "OK"],
    [{ integer: "9223372036854775807" }, "(integer) 9223372036854775807"],
    [{ number: "inf" }, "(double) inf"],
    [{ boolean: false }, "(false)"],
    [{ error: "ERR no" }, "(error) ERR no"],
    [bulk('a "b"\t'), '"a \\"b\\"\\t"'],
    [bulk(""), '""'],
    [{ list: { items: [] } }, "(empty list)"],
  ])("%j", (reply, text) => {
    expect(replyText(reply)).toEqual({ text, isCut: false });
  });

  test("nests lists, and lines their numbers up", () => {
    const inner = { list: { items: [{ integer: "1" }, { integer: "2" }] } };
    const items = [inner, ...Array.from({ length: 9 }, () => ({ status: "x" }))];
    const lines = replyText({ list: { items } }).text.split("\n");
    expect(lines.slice(0, 3)).toEqual([" 1) 1) (integer) 1", "    2) (integer) 2", " 2) x"]);
    expect(lines.at(-1)).toBe("10) x");
  });

  test("pairs a map's keys with their values", () => {
    const items = [bulk("a"), { integer: "1" }];
    expect(replyText({ map: { items } }).text).toBe('1# "a" => (integer) 1');
  });

  test("leaves lines that are written to be read as they are", () => {
    expect(replyText(bulk("# Server\r\nredis_version:8\r\n")).text).toBe("# Server\r\nredis_version:8");
  });

  test("has an end, and says so", () => {
    const items = Array.from({ length: 1000 }, () => bulk("x".repeat(100)));
    const { text, isCut } = replyText({ list: { items } }, 500);
    expect(text.length).toBe(500);
    expect(isCut).toBe(true);
  });
});

test("bytes that are no text stay exact", () => {
  expect(quoted({ value_base64: btoa("\x00\xffA\\") })).toBe('"\\x00\\xffA\\\\"');
});
