"""The data plane: an HTTP server, pools of HTTP connections, and what joins a request of one to one of the other.

`server` (sockets) → `plane` (who may, and where to) → `exchange` (one request and its answer) ← `connection` ← `pool`.
Bodies pass through callbacks, chunk by chunk as they arrive; whoever can't take more makes the other side wait. Both
sides are parsed by httptools, the C parser of Node.js: 45 µs a request less than h11, and it shows trailers, which
uvicorn and httpx drop.
"""
