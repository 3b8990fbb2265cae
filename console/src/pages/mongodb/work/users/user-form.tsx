import {
  type MongoRoleName,
  type MongoUser,
  type MongoUserChange,
  useCreateMongoUser,
  useUpdateMongoUser,
} from "@studio-databases/client/react";
import { useState } from "react";
import { get } from "@/lib/ejson";
import { Button, Checkbox, Code, Failure, Field, Input, SidePanel, toast } from "@/ui";
import { type Exact, hasContent, problemOf, sent, shown } from "../exact";
import { named, RoleNames } from "./role-names";
import { isSelfHarm } from "./self-harm";

/** The fields of a user. A password is in here until it is sent or the panel is closed, and nowhere else. */
export function UserForm({
  databaseId,
  databaseName,
  current,
  onClose,
  onDrop,
}: {
  databaseId: string;
  /** The user's, or the one to propose for a new user. */
  databaseName: string;
  current?: Exact<MongoUser>;
  onClose: () => void;
  onDrop?: (() => void) | undefined;
}) {
  const before = textsOf(current);
  const [database, setDatabase] = useState(databaseName);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [roles, setRoles] = useState<readonly MongoRoleName[]>(
    current?.data.roles ?? [{ role: "", database_name: databaseName }],
  );
  const [sources, setSources] = useState(before.sources);
  const [notes, setNotes] = useState(before.notes);
  const [force, setForce] = useState(false);
  const create = useCreateMongoUser(databaseId);
  const update = useUpdateMongoUser(databaseId);
  const save = current ? update : create;
  const isExternal = database === "$external";
  const wrong = problemOf(notes);
  const chosen = named(roles, database);

  function submit() {
    const from = listed(sources);
    if (!current) {
      create.mutate(
        {
          database_name: database,
          user: name,
          password,
          roles: chosen,
          custom_data: sent(notes),
          authentication_restrictions: from.length > 0 ? [{ client_source: from }] : [],
        },
        { onSuccess: () => finish(`${name} is created.`) },
      );
      return;
    }
    const clear: ("roles" | "custom_data" | "authentication_restrictions")[] = [];
    const change: MongoUserChange = { database_name: database, user: current.data.user, force };
    if (password) change.password = password;
    if (JSON.stringify(chosen) !== JSON.stringify(current.data.roles)) {
      if (chosen.length > 0) change.roles = chosen;
      else clear.push("roles");
    }
    if (sent(notes) !== sent(before.notes)) {
      if (notes.trim()) change.custom_data = sent(notes);
      else clear.push("custom_data");
    }
    if (sources !== before.sources) {
      if (from.length > 0) change.authentication_restrictions = [{ client_source: from }];
      else clear.push("authentication_restrictions");
    }
    update.mutate({ ...change, clear }, { onSuccess: () => finish(`${current.data.user} is changed.`) });
  }

  function finish(word: string) {
    toast.done(word);
    onClose();
  }

  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={current ? current.data.user : "New user"}
      description={current ? `Logs in at ${database}` : undefined}
      footer={
        <>
          {onDrop ? (
            <Button kind="danger" className="mr-auto" onClick={onDrop}>
              Drop…
            </Button>
          ) : null}
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            loading={save.isPending}
            disabled={Boolean(wrong) || (!current && (!name || !(password || isExternal)))}
            onClick={submit}
          >
            {current ? "Save" : "Create"}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        {current ? null : (
          <>
            <Field label="Name">
              {(control) => (
                <Input
                  {...control}
                  value={name}
                  maxLength={1024}
                  spellCheck={false}
                  autoComplete="off"
                  onChange={(event) => setName(event.target.value)}
                />
              )}
            </Field>
            <Field
              label="Logs in at the database"
              hint="Part of its name, as in authSource; $external for X.509 and LDAP."
            >
              {(control) => (
                <Input
                  {...control}
                  value={database}
                  maxLength={64}
                  spellCheck={false}
                  autoComplete="off"
                  onChange={(event) => setDatabase(event.target.value.trim())}
                />
              )}
            </Field>
          </>
        )}
        {isExternal ? null : (
          <Field
            label={current ? "New password" : "Password"}
            optional={Boolean(current)}
            hint={current ? "As it is where this is empty." : "It can't be seen again, here or elsewhere."}
          >
            {(control) => (
              <Input
                {...control}
                type="password"
                autoComplete="new-password"
                value={password}
                maxLength={4096}
                onChange={(event) => setPassword(event.target.value)}
              />
            )}
          </Field>
        )}
        <RoleNames databaseId={databaseId} databaseName={database} roles={roles} onChange={setRoles} />
        {before.isEditable ? (
          <Field
            label="May log in from"
            optional
            hint="Addresses or networks, separated by commas: 10.0.0.0/8. From anywhere where this is empty."
          >
            {(control) => (
              <Input
                {...control}
                value={sources}
                spellCheck={false}
                autoComplete="off"
                onChange={(event) => setSources(event.target.value)}
              />
            )}
          </Field>
        ) : (
          <p className="text-xs text-text-light">
            From where it may log in is said by several rules, or by addresses of the server; that stays as it
            is.
          </p>
        )}
        <Field
          label="Notes"
          optional
          hint="A document: whose it is, what it is for."
          error={wrong || undefined}
        >
          {() => (
            <Code
              label="Notes"
              className="h-24"
              language="json"
              lint={false}
              placeholder='{ team: "orders" }'
              value={notes}
              onChange={setNotes}
            />
          )}
        </Field>
        {save.isError ? <Failure error={save.error} /> : null}
        {current && (current.data.ours || isSelfHarm(save.error)) ? (
          <Checkbox
            label="Also where this connection then can't go on: it logs in as this user"
            checked={force}
            onChange={(event) => setForce(event.target.checked)}
          />
        ) : null}
      </div>
    </SidePanel>
  );
}

const listed = (text: string): string[] => text.split(",").flatMap((each) => each.trim() || []);

/** What of a user is edited as a text. */
function textsOf(user: Exact<MongoUser> | undefined) {
  const notes = user && get(user.node, "custom_data");
  const rules = user?.data.authentication_restrictions ?? [];
  return {
    notes: hasContent(notes) ? shown(notes) : "",
    sources: rules[0]?.client_source.join(", ") ?? "",
    isEditable: rules.length === 0 || (rules.length === 1 && rules[0]?.server_address.length === 0),
  };
}
