import { describe, expect, test } from "vitest";
import { type ExportNews, pieces, watchingNews } from "./lines";

/** A stream of a text, in chunks of so many bytes. */
function chunked(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.subarray(at, at + size));
      controller.close();
    },
  });
}

async function cut(text: string, size: number, chunk: number) {
  const found: [number, number, string][] = [];
  for await (const { bytes, firstLine, lines } of pieces(chunked(text, chunk), size)) {
    found.push([firstLine, lines, new TextDecoder().decode(bytes)]);
  }
  return found;
}

describe("a file in pieces", () => {
  const text = "one\ntwo\nthree\na line that is longer than a piece\nfour\nend";

  test.each([1, 3, 7, 1000])("holds every line whole and in order, read by %d bytes", async (chunk) => {
    const found = await cut(text, 12, chunk);
    expect(found.map(([, , part]) => part).join("")).toBe(text);
    let line = 1;
    for (const [first, lines, part] of found) {
      expect(first).toBe(line);
      expect(lines).toBe(part.trimEnd().split("\n").length);
      line += lines;
    }
    for (const [, , part] of found.slice(0, -1)) expect(part.endsWith("\n")).toBe(true);
    expect(found.every(([, lines, part]) => part.length <= 12 || lines === 1)).toBe(true);
  });

  test("of nothing has no pieces", async () => expect(await cut("", 12, 5)).toEqual([]));
});

test("an export's news are told, and its bytes stay as they are", async () => {
  const text = [
    '{"export": {"format": "dump", "version": 1}}',
    `{"key": "a", "dump_base64": "${"A".repeat(200_000)}"}`,
    '{"progress": {"succeeded": 1, "resume": "r"}}',
    '{"key": "progress"}',
    '{"summary": {"succeeded": 2}}',
  ].join("\n");
  for (const size of [1000, 1_000_000]) {
    const news: ExportNews[] = [];
    const stream = chunked(text, size).pipeThrough(watchingNews((each) => news.push(each)));
    expect(await new Response(stream).text()).toBe(text);
    expect(news).toEqual([{ progress: { succeeded: 1, resume: "r" } }, { summary: { succeeded: 2 } }]);
  }
});
