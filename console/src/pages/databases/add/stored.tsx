import { Facts } from "@/ui";
import type { DraftState } from "./state";

/** What will be stored where, before it is. */
export function Stored({ draft, parts }: DraftState) {
  if (typeof parts === "string" || !parts.host) return null;
  const marks = [draft.readOnly && "read_only", draft.production && "production"].filter(Boolean).join(", ");
  const rows: readonly (readonly [string, string])[] = [
    [
      "Shown in lists",
      [parts.host + (parts.port ? `:${parts.port}` : ""), parts.username].filter(Boolean).join(", user "),
    ],
    ["Encrypted (AES-256-GCM)", "the connection string with its password and options"],
    ["Marks", marks || "none"],
  ];
  return (
    <section aria-label="What will be stored" className="rounded-md border bg-surface-200 p-3 text-xs">
      <h3 className="mb-1.5 font-medium text-text">What will be stored</h3>
      <Facts facts={rows} className="grid-cols-[11rem_1fr] gap-y-1" />
    </section>
  );
}
