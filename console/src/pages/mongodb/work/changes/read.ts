import type { MongoChange } from "@studio-databases/client/react";
import { type Exact, readExact } from "../exact";

export type Change = Exact<MongoChange>;

/** Changes in the page at most; older ones are let go. */
export const MOST_KEPT = 1_000;

/** A change of the stream's text. */
export const changeOf = (text: string): Change => readExact<MongoChange>(text);
