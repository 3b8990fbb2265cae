// A sample Bun API: what a Bun server registered in Studio may look like, and what the tests of the proxy talk to.
//
// Every route but /health and /openapi.json asks for the key in BUN_API_KEY, as `Authorization: Bearer <key>`.

const KEY = process.env.BUN_API_KEY ?? "";
const PORT = Number(process.env.PORT ?? 3000);
const CHUNK = new Uint8Array(64 * 1024).fill(120);

type Book = { id: number; title: string; author: string; year: number };
const books = new Map<number, Book>(
  [
    { id: 1, title: "The Left Hand of Darkness", author: "Ursula K. Le Guin", year: 1969 },
    { id: 2, title: "Solaris", author: "Stanisław Lem", year: 1961 },
    { id: 3, title: "Kindred", author: "Octavia E. Butler", year: 1979 },
  ].map((book) => [book.id, book]),
);

const json = (value: unknown, init: ResponseInit = {}) => Response.json(value, init);
const notFound = () => json({ error: "not found" }, { status: 404 });

// Counts a body without keeping it.
async function count(request: Request): Promise<number> {
  let bytes = 0;
  if (request.body) for await (const part of request.body) bytes += part.byteLength;
  return bytes;
}

// So many bytes, made as they are asked for.
function bytes(total: number): Response {
  let left = total;
  const body = new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      controller.enqueue(left >= CHUNK.length ? CHUNK : CHUNK.subarray(0, left));
      left -= CHUNK.length;
    },
  });
  return new Response(body, { headers: { "content-type": "application/octet-stream" } });
}

// Server-sent events: a tick every `interval_ms`.
function ticks(number: number, intervalMs: number): Response {
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (sent >= number) return controller.close();
      if (sent) await Bun.sleep(intervalMs);
      controller.enqueue(new TextEncoder().encode(`id: ${sent}\ndata: {"tick": ${sent}}\n\n`));
      sent += 1;
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}

async function echo(request: Request, url: URL): Promise<Response> {
  const body = new Uint8Array(await request.arrayBuffer());
  return json({
    method: request.method,
    path: url.pathname,
    query: url.search,
    headers: Object.fromEntries(request.headers),
    body_base64: Buffer.from(body).toString("base64"),
  });
}

async function book(request: Request, id: number): Promise<Response> {
  const found = books.get(id);
  if (!found) return notFound();
  switch (request.method) {
    case "GET":
    case "HEAD":
      return json(found);
    case "PUT":
    case "PATCH": {
      const changed = { ...found, ...((await request.json()) as Partial<Book>), id };
      books.set(id, changed);
      return json(changed);
    }
    case "DELETE":
      books.delete(id);
      return new Response(null, { status: 204 });
    default:
      return new Response(null, { status: 405, headers: { allow: "GET, HEAD, PUT, PATCH, DELETE" } });
  }
}

async function add(request: Request): Promise<Response> {
  const id = Math.max(0, ...books.keys()) + 1;
  const added = { ...((await request.json()) as Omit<Book, "id">), id };
  books.set(id, added);
  return json(added, { status: 201, headers: { location: `/books/${id}` } });
}

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname;
  const number = (name: string, otherwise: number) => Number(url.searchParams.get(name) ?? otherwise);
  if (path === "/health") return json({ status: "ok", uptime_s: process.uptime() });
  if (path === "/openapi.json") return new Response(Bun.file(`${import.meta.dir}/openapi.json`));
  if (KEY && request.headers.get("authorization") !== `Bearer ${KEY}`) {
    return json({ error: "the key is missing or wrong" }, { status: 401, headers: { "www-authenticate": "Bearer" } });
  }
  if (path === "/books") return request.method === "POST" ? add(request) : json([...books.values()]);
  if (path.startsWith("/books/")) return book(request, Number(path.slice("/books/".length)));
  if (path === "/echo" || path.startsWith("/echo/")) return echo(request, url);
  if (path === "/bytes") return bytes(number("n", 1024));
  if (path === "/count") return json({ bytes: await count(request) });
  if (path === "/ticks") return ticks(number("n", 5), number("interval_ms", 200));
  if (path === "/redirect") return Response.redirect(url.searchParams.get("to") ?? "/books", 302);
  if (path === "/status") return json({ status: number("code", 200) }, { status: number("code", 200) });
  if (path === "/slow") {
    await Bun.sleep(number("ms", 1000));
    return json({ slept_ms: number("ms", 1000) });
  }
  if (path === "/cookies") {
    const headers = new Headers({ "content-type": "application/json" });
    headers.append("set-cookie", "a=1; Path=/");
    headers.append("set-cookie", "b=2; HttpOnly");
    return new Response(JSON.stringify({ cookie: request.headers.get("cookie") }), { headers });
  }
  return notFound();
}

const server = Bun.serve({
  hostname: process.env.HOST ?? "127.0.0.1",
  port: PORT,
  idleTimeout: 120,
  maxRequestBodySize: 4 * 1024 ** 3,
  fetch: answer,
  error: (error) => json({ error: error.message }, { status: 400 }),
});

console.log(`listening at ${server.url}, Bun ${Bun.version}`);
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, async () => {
    await server.stop(true);
    process.exit(0);
  });
}
