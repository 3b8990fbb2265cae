import { describe, expect, it } from "vitest";
import { failureIn, formatOf, watched } from "./file";

describe("files of documents", () => {
  it("have the format of their name, packed or not", () => {
    expect(formatOf("orders.jsonl.gz")).toBe("ndjson");
    expect(formatOf("orders.CSV")).toBe("csv");
    expect(formatOf("orders.txt")).toBeUndefined();
  });

  it("say at their end why they are not whole", () => {
    const error =
      '{"$error": {"message": "The server \\"db\\" hangs.", "error_code": "DB_TIMEOUT", "retryable": true}}';
    expect(failureIn(`{"a":1}\n${error}\n`)).toBe('The server "db" hangs.');
    expect(
      failureIn('a,b\n"{""$error"": {""message"": ""It hangs."", ""error_code"": ""DB_TIMEOUT""}}'),
    ).toBe("It hangs.");
    expect(failureIn("$error\0....\x02message\0\x0a\0\0\0It hangs.\0")).toBe("It hangs.");
    expect(failureIn('{"a":1}\n')).toBeUndefined();
  });

  it("are passed on as they are, and known to be cut where gzip's end is missing", async () => {
    const text = `${'{"a":1}\n'.repeat(2000)}`;
    const packed = new Uint8Array(
      await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
    );
    const whole = watched(new Response(packed), true);
    expect(new Uint8Array(await whole.response.arrayBuffer())).toEqual(packed);
    expect(await whole.failure).toBeUndefined();
    const cut = watched(new Response(packed.slice(0, -6)), true);
    await cut.response.arrayBuffer();
    expect(await cut.failure).toBe("The file ends too early.");
  });
});
