import { type MongoRoleName, useMongoRoles } from "@studio-databases/client/react";
import { Plus, Trash2 } from "lucide-react";
import { useId } from "react";
import { Button, IconButton, Input } from "@/ui";

/** `read`, or `read of shop` where it is a role of another database than its owner's. */
export function roleLine(role: MongoRoleName, databaseName: string): string {
  return role.database_name === databaseName ? role.role : `${role.role} of ${role.database_name}`;
}

/** Names of roles to be edited; what has no name yet is left out when it is sent. */
export function RoleNames({
  databaseId,
  databaseName,
  roles,
  onChange,
}: {
  databaseId: string;
  /** The owner's database: where a role is looked for when no other is named. */
  databaseName: string;
  roles: readonly MongoRoleName[];
  onChange: (roles: readonly MongoRoleName[]) => void;
}) {
  const set = (at: number, change: Partial<MongoRoleName>) =>
    onChange(roles.map((each, index) => (index === at ? { ...each, ...change } : each)));
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1.5 text-sm text-text-light">Roles</legend>
      {roles.map((role, at) => (
        <Row
          // biome-ignore lint/suspicious/noArrayIndexKey: rows are only added at the end and taken out
          key={at}
          number={at + 1}
          databaseId={databaseId}
          fallback={databaseName}
          role={role}
          onChange={(change) => set(at, change)}
          onRemove={() => onChange(roles.filter((_, index) => index !== at))}
        />
      ))}
      {roles.length === 0 ? <p className="text-xs text-text-muted">None: it may do nothing.</p> : null}
      <div>
        <Button
          icon={<Plus size={13} aria-hidden />}
          onClick={() => onChange([...roles, { role: "", database_name: databaseName }])}
        >
          Add a role
        </Button>
      </div>
    </fieldset>
  );
}

function Row({
  number,
  databaseId,
  fallback,
  role,
  onChange,
  onRemove,
}: {
  number: number;
  databaseId: string;
  fallback: string;
  role: MongoRoleName;
  onChange: (change: Partial<MongoRoleName>) => void;
  onRemove: () => void;
}) {
  const list = useId();
  const known = useMongoRoles(databaseId, role.database_name || fallback, true);
  const names = known.data?.pages.flatMap((page) => page.roles.map((each) => each.role)) ?? [];
  return (
    <div className="flex items-center gap-2">
      <Input
        aria-label={`Role ${number}`}
        list={list}
        placeholder="readWrite"
        spellCheck={false}
        autoComplete="off"
        value={role.role}
        onChange={(event) => onChange({ role: event.target.value })}
      />
      <datalist id={list}>
        {names.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <span className="text-xs text-text-light">of</span>
      <Input
        aria-label={`Database of role ${number}`}
        placeholder={fallback}
        spellCheck={false}
        autoComplete="off"
        value={role.database_name}
        onChange={(event) => onChange({ database_name: event.target.value.trim() })}
      />
      <IconButton label={`Take role ${number} away`} onClick={onRemove}>
        <Trash2 size={14} aria-hidden />
      </IconButton>
    </div>
  );
}

/** What of the rows is sent. */
export function named(roles: readonly MongoRoleName[], databaseName: string): MongoRoleName[] {
  return roles.flatMap(({ role, database_name: of }) =>
    role.trim() ? [{ role: role.trim(), database_name: of || databaseName }] : [],
  );
}
