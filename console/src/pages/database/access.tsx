import {
  type Database,
  type Grant,
  useCreateGrant,
  useDeleteGrant,
  useGrants,
  useMay,
} from "@studio-databases/client/react";
import { Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { ago, moment } from "@/lib/format";
import { Asked, Badge, Button, Confirm, Empty, Field, IconButton, Input, Select } from "@/ui";

const ROLES = {
  read: "Read: look at data",
  write: "Write: change data",
  admin: "Admin: everything on this database",
} as const;
type GrantRole = keyof typeof ROLES;

/** Who has rights on this database beside what their tokens say. */
export function Access({ database }: { database: Database }) {
  const grants = useGrants(database.id);
  const may = useMay(database.id);
  const remove = useDeleteGrant(database.id);
  const [removing, setRemoving] = useState<Grant>();
  const rows = grants.data?.permissions ?? [];
  return (
    <div className="flex h-full max-w-4xl flex-col gap-5 overflow-y-auto p-5">
      <p className="text-sm text-text-light">
        Roles come from tokens and API keys. A grant gives one caller more on this database alone.
      </p>
      {may("registry.grant.create") ? <AddGrant databaseId={database.id} /> : null}
      <Asked of={grants} className="">
        Loading grants…
      </Asked>
      {grants.isSuccess && rows.length === 0 ? <Empty title="No grants: only roles count." /> : null}
      {rows.length > 0 ? (
        <table className="w-full text-sm">
          <thead className="text-left text-xs text-text-light">
            <tr className="border-b">
              <th className="py-1.5 font-medium">Subject</th>
              <th className="py-1.5 font-medium">Right</th>
              <th className="py-1.5 font-medium">Given</th>
              <th className="w-10">
                <span className="sr-only">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((grant) => (
              <tr key={grant.id} className="border-b">
                <td className="py-2 font-mono text-xs break-all">{grant.subject}</td>
                <td>
                  <Badge>{grant.role}</Badge>
                </td>
                <td
                  className="text-text-light"
                  title={grant.created_at ? moment(grant.created_at) : undefined}
                >
                  {grant.created_at ? ago(grant.created_at) : "–"} by {grant.created_by || "–"}
                </td>
                <td>
                  {may("registry.grant.delete") ? (
                    <IconButton
                      label={`Take back the grant of ${grant.subject}`}
                      onClick={() => setRemoving(grant)}
                    >
                      <Trash2 size={14} aria-hidden />
                    </IconButton>
                  ) : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      <Confirm
        open={removing !== undefined}
        onOpenChange={() => setRemoving(undefined)}
        title="Take the grant back?"
        action="Take back"
        onConfirm={async () => {
          if (removing) await remove.mutateAsync(removing.id);
        }}
      >
        <p>
          <span className="font-mono text-text">{removing?.subject}</span> loses the right to {removing?.role}{" "}
          within a second; what runs for it ends.
        </p>
      </Confirm>
    </div>
  );
}

function AddGrant({ databaseId }: { databaseId: string }) {
  const [subject, setSubject] = useState("");
  const [role, setRole] = useState<GrantRole>("read");
  const create = useCreateGrant(databaseId);

  function submit(event: FormEvent) {
    event.preventDefault();
    create.mutate({ subject: subject.trim(), role }, { onSuccess: () => setSubject("") });
  }

  return (
    <form onSubmit={submit} className="flex items-start gap-3">
      <Field
        label="Subject"
        className="flex-1"
        error={create.error?.message}
        hint="The sub of a user's token, or key:… for an API key."
      >
        {(control) => (
          <Input
            {...control}
            required
            value={subject}
            spellCheck={false}
            onChange={(event) => setSubject(event.target.value)}
          />
        )}
      </Field>
      <Field label="Right" className="w-64">
        {(control) => (
          <Select {...control} value={role} onChange={(event) => setRole(event.target.value as GrantRole)}>
            {Object.entries(ROLES).map(([value, text]) => (
              <option key={value} value={value}>
                {text}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Button
        type="submit"
        size="small"
        className="mt-[25px]"
        loading={create.isPending}
        disabled={!subject.trim()}
      >
        Grant
      </Button>
    </form>
  );
}
