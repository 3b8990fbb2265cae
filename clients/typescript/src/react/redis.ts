/** Redis: keys, values, streams. What works on many keys at once, and the server itself, is called by `redisGet` and `redisPost`. */

export * from "./redis-blob";
export * from "./redis-calls";
export * from "./redis-keys";
export * from "./redis-streams";
export * from "./redis-values";
