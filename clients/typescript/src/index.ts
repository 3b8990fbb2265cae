export { type Client, createClient, data } from "./client";
export { ApiError, errorFrom, errorOf, type FieldViolation } from "./errors";
export { events, eventTexts } from "./events";
export type { components, operations, paths } from "./generated/schema";
export { ExactJson, parseExact, stringifyExact } from "./json";
export { type Transport, type TransportOptions, transport } from "./transport";
