import { type CreateApiKey, useCreateApiKey } from "@studio-databases/client/react";
import { type FormEvent, useState } from "react";
import { Button, Copy, Dialog, Failure, Field, Input, Select } from "@/ui";

type Role = CreateApiKey["role"];
const ROLES: Readonly<Record<Role, string>> = {
  read_only: "Read-only: looks at data",
  developer: "Developer: changes data",
  administrator: "Administrator: registers and removes databases",
  owner: "Owner: everything, API keys among it",
  none: "None: only what grants on databases give",
};
const DAY_MS = 86_400_000;
const LIFETIMES = { "30 days": 30, "90 days": 90, "1 year": 365, never: 0 } as const;
type Lifetime = keyof typeof LIFETIMES;

/** Issues a key, and shows its secret once. */
export function CreateKey({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("read_only");
  const [projects, setProjects] = useState("");
  const [lifetime, setLifetime] = useState<Lifetime>("90 days");
  const create = useCreateApiKey();
  const made = create.data;

  function submit(event: FormEvent) {
    event.preventDefault();
    const days = LIFETIMES[lifetime];
    create.mutate({
      name: name.trim(),
      role,
      project_refs: projects.split(/[\s,]+/).filter(Boolean),
      ...(days ? { expires_at: new Date(Date.now() + days * DAY_MS).toISOString() } : {}),
    });
  }

  if (made) {
    return (
      <Dialog
        open={open}
        onOpenChange={onOpenChange}
        title={`${name} is issued`}
        footer={
          <Button kind="primary" onClick={() => onOpenChange(false)}>
            Done
          </Button>
        }
      >
        <p className="mb-3 text-sm text-text-light">
          Copy it now: only a hash of it is kept, so it can't be shown again.
        </p>
        <div className="flex items-center gap-2 rounded-md border border-line-strong bg-surface-100 px-3 py-2">
          <code className="min-w-0 flex-1 font-mono text-xs break-all">{made.key}</code>
          <Copy text={made.key} label="Copy the key" />
        </div>
      </Dialog>
    );
  }

  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Issue an API key"
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            form="create-key"
            loading={create.isPending}
            disabled={!name.trim()}
          >
            Issue
          </Button>
        </>
      }
    >
      <form id="create-key" onSubmit={submit} className="flex flex-col gap-4">
        <Field label="Name" hint="What it is for: shown in lists and in the audit log.">
          {(control) => (
            <Input
              {...control}
              required
              maxLength={100}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label="Role">
          {(control) => (
            <Select {...control} value={role} onChange={(event) => setRole(event.target.value as Role)}>
              {Object.entries(ROLES).map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Projects" optional hint="Short names, comma-separated; none for all.">
          {(control) => (
            <Input
              {...control}
              spellCheck={false}
              value={projects}
              onChange={(event) => setProjects(event.target.value)}
            />
          )}
        </Field>
        <Field label="Expires">
          {(control) => (
            <Select
              {...control}
              value={lifetime}
              onChange={(event) => setLifetime(event.target.value as Lifetime)}
            >
              {Object.keys(LIFETIMES).map((each) => (
                <option key={each}>{each}</option>
              ))}
            </Select>
          )}
        </Field>
        {create.error ? <Failure error={create.error} /> : null}
      </form>
    </Dialog>
  );
}
