// An HTTP/2 server on Node.js, for the tests of HTTP/2: certificate and key are arguments; prints its port.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";

const [, , certificate, key] = process.argv;
let sessions = 0;
const server = createSecureServer({
  cert: readFileSync(certificate),
  key: readFileSync(key),
  allowHTTP1: false,
  settings: { maxConcurrentStreams: 10 },
});
server.on("session", () => (sessions += 1));
server.on("sessionError", () => {});
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const url = new URL(headers[":path"], "https://localhost");
  const json = (value) => {
    stream.respond({ ":status": 200, "content-type": "application/json" });
    stream.end(JSON.stringify(value));
  };
  if (url.pathname === "/echo") {
    let bytes = 0;
    stream.on("data", (part) => (bytes += part.length));
    stream.on("end", () => json({ headers, bytes, sessions }));
    stream.on("trailers", (trailers) => (headers["x-trailer"] = trailers["x-mine"]));
  } else if (url.pathname === "/bytes") {
    let left = Number(url.searchParams.get("n"));
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "7" }));
    const part = Buffer.alloc(65536, "x");
    const more = () => {
      while (left > 0) {
        const now = left >= part.length ? part : part.subarray(0, left);
        left -= now.length;
        if (!stream.write(now)) return stream.once("drain", more);
      }
      stream.end();
    };
    more();
  } else if (url.pathname === "/status") {
    stream.respond({ ":status": Number(url.searchParams.get("code")) }, { endStream: true });
  } else if (url.pathname === "/head") {
    stream.respond({ ":status": 200, "content-length": "5" }, { endStream: headers[":method"] === "HEAD" });
    if (headers[":method"] !== "HEAD") stream.end("12345");
  } else if (url.pathname === "/reset") {
    if (url.searchParams.has("late")) {
      stream.respond({ ":status": 200 });
      stream.write("12345", () => stream.destroy(new Error("broken")));
    } else stream.close(2);
  } else if (url.pathname === "/goaway") {
    json({ sessions });
    stream.session.close();
  } else if (url.pathname === "/refuse") {
    if (sessions % 2 === 1) stream.session.destroy();
    else json({ sessions });
  }
  // Any other path is never answered.
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
