import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defaultClientConditions, defineConfig } from "vite";

/** Where `npm run dev` finds a running system. */
const GATEWAY = process.env.GATEWAY_URL ?? "http://127.0.0.1:8000";

export default defineConfig({
  // Beside an unmodified Studio at the same origin, whose files lie elsewhere.
  base: "/databases-console/",
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: { "@": new URL("./src", import.meta.url).pathname },
    // The client by its sources, as the workspace has them; others get what `npm pack` makes of it.
    conditions: ["source", ...defaultClientConditions],
  },
  // The gateway takes cookies from its own pages alone.
  server: { proxy: { "/api": { target: GATEWAY, headers: { origin: GATEWAY } } } },
  build: {
    // Nothing inline: the page's Content-Security-Policy allows files of this origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    // The entry's graph is what `tests/console` measures against its budget.
    manifest: true,
  },
});
