import {
  type MongoRole,
  type MongoRoleName,
  useCreateMongoRole,
  useMay,
  useMongoRole,
  useUpdateMongoRole,
} from "@studio-databases/client/react";
import { useState } from "react";
import { Button, Checkbox, Failure, Field, Input, Loading, SidePanel, toast } from "@/ui";
import { PrivilegeList } from "./privilege-list";
import { Privileges } from "./privileges";
import { type Draft, draftsOf, privilegesOf, problemIn } from "./privileges-text";
import { named, RoleNames } from "./role-names";
import { isSelfHarm } from "./self-harm";

interface Props {
  databaseId: string;
  databaseName: string;
  role: MongoRole | undefined;
  onClose: () => void;
  onDrop: ((role: MongoRole) => void) | undefined;
}

/** Creates a role, or changes one; what is built in is only shown. */
export function RolePanel(props: Props) {
  const { databaseId, databaseName, role, onClose } = props;
  const may = useMay(databaseId);
  const found = useMongoRole(databaseId, role && { databaseName, name: role.role });
  if (!role) return <RoleForm {...props} />;
  const current = found.data;
  if (current && found.isFetchedAfterMount && !current.built_in && may("mongodb.role.update")) {
    return <RoleForm {...props} role={current} />;
  }
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={role.role}
      description={role.built_in ? "Built into the server" : `Of ${databaseName}`}
    >
      {!found.isFetchedAfterMount ? <Loading>Asking the server…</Loading> : null}
      {found.isError ? <Failure error={found.error} onRetry={() => found.refetch()} /> : null}
      {current === null && found.isFetchedAfterMount ? (
        <Failure error={new Error("This role is gone.")} />
      ) : null}
      {current && found.isFetchedAfterMount ? (
        <PrivilegeList own={current.privileges} inherited={current.inherited_privileges} />
      ) : null}
    </SidePanel>
  );
}

function RoleForm({ databaseId, databaseName, role, onClose, onDrop }: Props) {
  const [name, setName] = useState("");
  const [roles, setRoles] = useState<readonly MongoRoleName[]>(role?.roles ?? []);
  const [drafts, setDrafts] = useState<readonly Draft[]>(role ? draftsOf(role.privileges) : []);
  const [force, setForce] = useState(false);
  const create = useCreateMongoRole(databaseId);
  const update = useUpdateMongoRole(databaseId);
  const save = role ? update : create;
  const wrong = problemIn(drafts);

  function submit() {
    const privileges = privilegesOf(drafts);
    const chosen = named(roles, databaseName);
    const onSuccess = () => {
      toast.done(role ? `${role.role} is changed.` : `${name} is created.`);
      onClose();
    };
    if (!role) {
      create.mutate({ database_name: databaseName, role: name, privileges, roles: chosen }, { onSuccess });
      return;
    }
    const clear: ("privileges" | "roles")[] = [];
    if (privileges.length === 0) clear.push("privileges");
    if (chosen.length === 0) clear.push("roles");
    update.mutate(
      { database_name: databaseName, role: role.role, privileges, roles: chosen, clear, force },
      { onSuccess },
    );
  }

  return (
    <SidePanel
      wide
      open
      onOpenChange={(open) => !open && onClose()}
      title={role ? role.role : "New role"}
      description={`Of ${databaseName}`}
      footer={
        <>
          {role && onDrop ? (
            <Button kind="danger" className="mr-auto" onClick={() => onDrop(role)}>
              Drop…
            </Button>
          ) : null}
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            loading={save.isPending}
            disabled={Boolean(wrong) || (!role && !name)}
            onClick={submit}
          >
            {role ? "Save" : "Create"}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        {role ? null : (
          <Field
            label="Name"
            hint={
              databaseName === "admin"
                ? "A role of admin may be about any database."
                : `It may be about ${databaseName} alone; a role of admin may be about any database.`
            }
          >
            {(control) => (
              <Input
                {...control}
                value={name}
                maxLength={256}
                spellCheck={false}
                autoComplete="off"
                onChange={(event) => setName(event.target.value.trim())}
              />
            )}
          </Field>
        )}
        <Privileges databaseName={databaseName} drafts={drafts} onChange={setDrafts} />
        {wrong ? (
          <p role="alert" className="text-xs text-danger">
            {wrong}
          </p>
        ) : null}
        <RoleNames databaseId={databaseId} databaseName={databaseName} roles={roles} onChange={setRoles} />
        {save.isError ? <Failure error={save.error} /> : null}
        {isSelfHarm(save.error) ? (
          <Checkbox
            label="Also where this connection then can't go on: its user has this role"
            checked={force}
            onChange={(event) => setForce(event.target.checked)}
          />
        ) : null}
      </div>
    </SidePanel>
  );
}
