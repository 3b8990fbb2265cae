/** Files on their way to the server: `fetch` does not tell how much of a body is sent, `XMLHttpRequest` does. */

/** A `fetch` for browsers that sends a file as the body of whatever it is asked to send. The answer is read as it comes.
 *
 * @param onSent told how many bytes are sent.
 */
export function sending(
  file: Blob,
  onSent: (bytes: number) => void,
): (request: Request) => Promise<Response> {
  return (request) =>
    new Promise((resolve, reject) => {
      const { signal } = request;
      const call = new XMLHttpRequest();
      let body: ReadableStreamDefaultController<Uint8Array> | undefined;
      let passed = 0;
      const stop = () => call.abort();
      const pass = () => {
        const text = call.responseText;
        if (text.length > passed) body?.enqueue(new TextEncoder().encode(text.slice(passed)));
        passed = text.length;
      };
      const fail = (reason: unknown) => {
        if (body) body.error(reason);
        else reject(reason);
      };
      call.upload.onprogress = (event) => onSent(event.loaded);
      call.onreadystatechange = () => {
        if (call.readyState !== XMLHttpRequest.HEADERS_RECEIVED) return;
        const stream = new ReadableStream<Uint8Array>({
          start(controller) {
            body = controller;
          },
          cancel: stop,
        });
        const { status } = call;
        const isEmpty = status === 204;
        resolve(new Response(isEmpty ? null : stream, { status, headers: headersOf(call) }));
      };
      call.onprogress = pass;
      call.onload = () => {
        pass();
        body?.close();
      };
      call.onerror = () => fail(new TypeError("The connection was lost."));
      call.onabort = () => fail(signal.reason ?? new DOMException("It was stopped.", "AbortError"));
      call.onloadend = () => signal.removeEventListener("abort", stop);
      call.open(request.method, request.url);
      call.withCredentials = request.credentials === "include";
      request.headers.forEach((value, name) => {
        call.setRequestHeader(name, value);
      });
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", stop);
      call.send(file);
    });
}

function headersOf(call: XMLHttpRequest): Headers {
  const headers = new Headers();
  for (const line of call.getAllResponseHeaders().split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}
