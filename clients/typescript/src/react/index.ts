export * from "./access";
export * from "./audit";
export * from "./bun";
export { ClientProvider, useClient } from "./client";
export * from "./databases";
export { keys } from "./keys";
export * from "./postgres";
export * from "./session";
