import { useMongoDatabases } from "@studio-databases/client/react";
import { Select } from "@/ui";

/** The database that most users log in at, whether there is something else in it or not. */
export const ADMIN = "admin";

/** Chooses a database that has users or roles; `""` is every one. */
export function DatabasePicker({
  databaseId,
  value,
  every = false,
  onChange,
}: {
  databaseId: string;
  value: string;
  /** All of them can be chosen, too. */
  every?: boolean;
  onChange: (database: string) => void;
}) {
  const found = useMongoDatabases(databaseId);
  const names = new Set([ADMIN, value, ...(found.data?.databases.map((each) => each.name) ?? [])]);
  names.delete("");
  return (
    <Select
      aria-label="Database"
      className="!h-7 !w-44 !text-xs"
      value={value}
      onChange={(event) => onChange(event.target.value)}
    >
      {every ? <option value="">Every database</option> : null}
      {[...names].sort().map((each) => (
        <option key={each} value={each}>
          {each}
        </option>
      ))}
    </Select>
  );
}
