import { expect, it } from "vitest";
import { ApiError } from "./errors.js";
import { events, eventTexts } from "./events.js";

/** An answer whose body comes in these pieces. */
function answer(...pieces: string[]): Response {
  const bytes = new TextEncoder();
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(bytes.encode(piece));
        controller.close();
      },
    }),
  );
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

it.each([
  ["one piece", ['data: {"n":1}\n\ndata: {"n":2}\n\n']],
  ["an end in two pieces", ['data: {"n":1}\n', '\ndata: {"n":2}\r\n\r', "\n"]],
  ["a byte at a time", [...'data: {"n":1}\n\n: a comment\n\ndata: {"n":2}\n\n']],
  ["no end", ['data: {"n":1}\n\ndata: {"n":2}']],
  ["a value in two lines", ['data: {"n":\ndata: 1}\n\ndata: {"n":2}\n\n']],
])("%s", async (_, pieces) => {
  expect(await all(events<{ n: number }>(answer(...pieces)))).toEqual([{ n: 1 }, { n: 2 }]);
});

it("ends with the stream's own error", async () => {
  const last = answer(
    'data: {"n":1}\n\n',
    'data: {"error":{"message":"No.","error_code":"DB_TIMEOUT","retryable":true}}\n\n',
  );
  const items = events<{ n: number }>(last);
  expect((await items.next()).value).toEqual({ n: 1 });
  const failure = await items.next().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ApiError);
  expect(failure).toMatchObject({ message: "No.", code: "DB_TIMEOUT", retryable: true });
});

it("keeps texts as they are", async () => {
  expect(await all(eventTexts(answer('data: {"n":12345678901234567890}\n\n')))).toEqual([
    '{"n":12345678901234567890}',
  ]);
});
