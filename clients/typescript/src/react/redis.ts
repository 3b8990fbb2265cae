/** Redis: keys, values, streams. What works on many keys at once, and the server itself, is called by `redisGet` and `redisPost`. */

export * from "./redis-blob.js";
export * from "./redis-calls.js";
export * from "./redis-keys.js";
export * from "./redis-streams.js";
export * from "./redis-values.js";
