import { defineConfig } from "vitest/config";

/** The unit tests of the pages and of the client; `tests/console` walks the pages themselves. */
export default defineConfig({
  root: new URL("..", import.meta.url).pathname,
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  test: { include: ["console/src/**/*.test.{ts,tsx}", "clients/typescript/src/**/*.test.ts"] },
});
