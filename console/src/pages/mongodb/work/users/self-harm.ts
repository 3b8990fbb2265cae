import { ApiError } from "@studio-databases/client";

/** Whether the server refused what would take rights from this connection itself. */
export function isSelfHarm(error: unknown): boolean {
  return error instanceof ApiError && error.code === "COMMAND_REFUSED";
}
