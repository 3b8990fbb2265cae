import { type MongoRole, useDropMongoRole, useMay, useMongoRoles } from "@studio-databases/client/react";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { count } from "@/lib/format";
import { Asked, Badge, Button, Checkbox, type Column, Empty, Grid, Reload } from "@/ui";
import { Toolbar } from "../parts";
import { ADMIN, DatabasePicker } from "./database-picker";
import { DropPrincipal } from "./drop";
import { roleLine } from "./role-names";
import { RolePanel } from "./role-panel";

const COLUMNS: readonly Column<MongoRole>[] = [
  {
    id: "role",
    header: "Role",
    width: "minmax(12rem, 12fr)",
    cell: (each) => (
      <span className="flex items-center gap-2" title={each.role}>
        <span className="truncate">{each.role}</span>
        {each.built_in ? <Badge>built in</Badge> : null}
      </span>
    ),
  },
  {
    id: "roles",
    header: "Has the roles",
    width: "minmax(16rem, 16fr)",
    cell: (each) => each.roles.map((role) => roleLine(role, each.database_name)).join(", ") || "–",
  },
  {
    id: "inherited",
    header: "And by way of those",
    width: "minmax(16rem, 16fr)",
    cell: (each) => each.inherited_roles.map((role) => roleLine(role, each.database_name)).join(", ") || "–",
  },
];

/** The roles of one database. */
export function Roles({
  databaseId,
  databaseName,
  parts,
}: {
  databaseId: string;
  databaseName: string;
  parts: ReactNode;
}) {
  const may = useMay(databaseId);
  const [database, setDatabase] = useState(databaseName || ADMIN);
  const [builtIn, setBuiltIn] = useState(false);
  const [opened, setOpened] = useState<MongoRole | "new">();
  const [dropping, setDropping] = useState<MongoRole>();
  const found = useMongoRoles(databaseId, database, builtIn);
  const drop = useDropMongoRole(databaseId);
  const roles = found.data?.pages.flatMap((page) => page.roles) ?? [];
  const mayCreate = may("mongodb.role.create");
  const add = (
    <Button kind="primary" icon={<Plus size={13} aria-hidden />} onClick={() => setOpened("new")}>
      New role
    </Button>
  );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        {parts}
        <DatabasePicker databaseId={databaseId} value={database} onChange={setDatabase} />
        <Checkbox
          className="!text-xs"
          label="Those built in"
          checked={builtIn}
          onChange={(event) => setBuiltIn(event.target.checked)}
        />
        <div className="flex-1" />
        <Reload of={found} />
        {mayCreate ? add : null}
      </Toolbar>
      <Asked of={found}>Loading roles…</Asked>
      {found.data ? (
        <>
          <Grid<MongoRole>
            label="Roles"
            rows={roles}
            columns={COLUMNS}
            rowKey={(each) => each.role}
            selected={opened && opened !== "new" ? opened.role : undefined}
            onSelect={setOpened}
            onEnd={() => found.hasNextPage && !found.isFetching && found.fetchNextPage()}
            empty={
              <Empty title={`${database} has no roles of its own.`} action={mayCreate ? add : null}>
                Users may have those that are built into the server.
              </Empty>
            }
          />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            {count(roles.length)} {roles.length === 1 ? "role" : "roles"}
            {found.hasNextPage ? ", and more" : ` of ${database}`}
          </p>
        </>
      ) : null}
      {opened ? (
        <RolePanel
          key={opened === "new" ? "" : opened.role}
          databaseId={databaseId}
          databaseName={database}
          role={opened === "new" ? undefined : opened}
          onClose={() => setOpened(undefined)}
          onDrop={may("mongodb.role.drop") ? setDropping : undefined}
        />
      ) : null}
      <DropPrincipal
        what="role"
        of={dropping && { databaseName: dropping.database_name, name: dropping.role }}
        ours={false}
        onClose={() => setDropping(undefined)}
        onDrop={async (of, force) => {
          await drop.mutateAsync({ ...of, force });
          setOpened(undefined);
        }}
      >
        Whoever has it loses it.
      </DropPrincipal>
    </div>
  );
}
