import type { AuditFilters } from "@studio-databases/client/react";

const HOUR_MS = 3_600_000;
export const SPANS = { "1 hour": 1, "24 hours": 24, "7 days": 168, "30 days": 720 } as const;
type Span = keyof typeof SPANS;

/** What stands in the address: how far back is a span there, so that a link means the same tomorrow. */
export interface AuditSearch extends Omit<AuditFilters, "since"> {
  last?: Span | undefined;
}

/** A span that the page knows; what stands in the address may be anything. */
export function spanOf(value: unknown): Span | undefined {
  return typeof value === "string" && value in SPANS ? (value as Span) : undefined;
}

/** Where a span that ends now begins. */
export function since(span: Span): string {
  return new Date(Date.now() - SPANS[span] * HOUR_MS).toISOString();
}
