export { type Client, createClient, data } from "./client.js";
export { ApiError, errorFrom, errorOf, type FieldViolation } from "./errors.js";
export { events, eventTexts } from "./events.js";
export type { components, operations, paths } from "./generated/schema.js";
export { ExactJson, parseExact, stringifyExact } from "./json.js";
export { type Transport, type TransportOptions, transport } from "./transport.js";
