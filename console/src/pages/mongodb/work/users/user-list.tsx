import {
  type MongoPrincipal,
  type MongoUser,
  useDropMongoUser,
  useMay,
  useMongoUsers,
} from "@studio-databases/client/react";
import { Plus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { count } from "@/lib/format";
import { Asked, Badge, Button, type Column, Empty, Grid, Input, Reload } from "@/ui";
import { Toolbar } from "../parts";
import { DatabasePicker } from "./database-picker";
import { DropPrincipal } from "./drop";
import { roleLine } from "./role-names";
import { UserPanel } from "./user-panel";

const keyOf = (user: MongoUser) => `${user.database_name}.${user.user}`;

const COLUMNS: readonly Column<MongoUser>[] = [
  {
    id: "user",
    header: "User",
    width: "minmax(11rem, 11fr)",
    cell: (each) => (
      <span className="flex items-center gap-2" title={each.user}>
        <span className="truncate">{each.user}</span>
        {each.ours ? <Badge tone="info">this connection</Badge> : null}
      </span>
    ),
  },
  {
    id: "database",
    header: "Logs in at",
    width: "minmax(8rem, 8fr)",
    cell: (each) => each.database_name,
  },
  {
    id: "roles",
    header: "Roles",
    width: "minmax(18rem, 18fr)",
    cell: (each) => (
      <span title={each.roles.map((role) => roleLine(role, each.database_name)).join(", ")}>
        {each.roles.map((role) => roleLine(role, each.database_name)).join(", ") || "none"}
      </span>
    ),
  },
  {
    id: "mechanisms",
    header: "Logs in by",
    width: "minmax(12rem, 12fr)",
    cell: (each) => each.mechanisms.join(", ") || "–",
  },
];

/** The users of one database, or of all. */
export function UserList({
  databaseId,
  databaseName,
  parts,
}: {
  databaseId: string;
  databaseName: string;
  parts: ReactNode;
}) {
  const may = useMay(databaseId);
  const [database, setDatabase] = useState("");
  const [search, setSearch] = useState("");
  const [opened, setOpened] = useState<MongoUser | "new">();
  const [dropping, setDropping] = useState<MongoUser>();
  const settled = useDebounced(search.trim());
  const found = useMongoUsers(databaseId, database, settled);
  const drop = useDropMongoUser(databaseId);
  const users = found.data?.pages.flatMap((page) => page.users) ?? [];
  const mayCreate = may("mongodb.user.create");
  const add = (
    <Button kind="primary" icon={<Plus size={13} aria-hidden />} onClick={() => setOpened("new")}>
      New user
    </Button>
  );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        {parts}
        <DatabasePicker databaseId={databaseId} value={database} every onChange={setDatabase} />
        <Input
          aria-label="Part of the name"
          placeholder="Search users"
          className="!h-7 !w-52 !text-xs"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <div className="flex-1" />
        <Reload of={found} />
        {mayCreate ? add : null}
      </Toolbar>
      <Asked of={found}>Loading users…</Asked>
      {found.data ? (
        <>
          <Grid<MongoUser>
            label="Users"
            rows={users}
            columns={COLUMNS}
            rowKey={keyOf}
            selected={opened && opened !== "new" ? keyOf(opened) : undefined}
            onSelect={setOpened}
            onEnd={() => found.hasNextPage && !found.isFetching && found.fetchNextPage()}
            empty={
              settled ? (
                <Empty title="No user has this in its name." />
              ) : (
                <Empty
                  title={database ? `Nobody logs in at ${database}.` : "The server tells of no users."}
                  action={mayCreate ? add : null}
                >
                  {database ? null : "Some tell of those of one database alone: choose it above."}
                </Empty>
              )
            }
          />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            {count(users.length)} {users.length === 1 ? "user" : "users"}
            {found.hasNextPage ? ", and more" : database ? ` of ${database}` : " of every database"}
          </p>
        </>
      ) : null}
      {opened ? (
        <UserPanel
          key={opened === "new" ? "" : keyOf(opened)}
          databaseId={databaseId}
          databaseName={database || databaseName}
          user={opened === "new" ? undefined : opened}
          onClose={() => setOpened(undefined)}
          onDrop={may("mongodb.user.drop") ? setDropping : undefined}
        />
      ) : null}
      <DropPrincipal
        what="user"
        of={dropping && principalOf(dropping)}
        ours={dropping?.ours ?? false}
        onClose={() => setDropping(undefined)}
        onDrop={async (of, force) => {
          await drop.mutateAsync({ ...of, force });
          setOpened(undefined);
        }}
      >
        Whoever uses it is not let in any more; connections that are open lose their rights.
      </DropPrincipal>
    </div>
  );
}

function principalOf(user: MongoUser): MongoPrincipal {
  return { databaseName: user.database_name, name: user.user };
}
