import { type MongoUser, useMay, useMongoUser } from "@studio-databases/client/react";
import { Button, Failure, Loading, SidePanel } from "@/ui";
import { type Exact, listOf, readExact } from "../exact";
import { UserForm } from "./user-form";

/** Creates a user, or changes one: what stands is asked for anew first. */
export function UserPanel({
  databaseId,
  databaseName,
  user,
  onClose,
  onDrop,
}: {
  databaseId: string;
  databaseName: string;
  /** Whom to change; none to create one. */
  user: MongoUser | undefined;
  onClose: () => void;
  onDrop: ((user: MongoUser) => void) | undefined;
}) {
  const may = useMay(databaseId);
  const of = user && { databaseName: user.database_name, name: user.user };
  const found = useMongoUser(databaseId, of, readExact<{ users: MongoUser[] }>);
  if (!user) return <UserForm databaseId={databaseId} databaseName={databaseName} onClose={onClose} />;
  const current = found.data && one(found.data);
  if (current && found.isFetchedAfterMount && may("mongodb.user.update")) {
    return (
      <UserForm
        databaseId={databaseId}
        databaseName={user.database_name}
        current={current}
        onClose={onClose}
        onDrop={onDrop && (() => onDrop(current.data))}
      />
    );
  }
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={user.user}
      footer={<Button onClick={onClose}>Close</Button>}
    >
      {!found.isFetchedAfterMount ? <Loading>Asking the server…</Loading> : null}
      {found.isError ? <Failure error={found.error} onRetry={() => found.refetch()} /> : null}
      {found.data && !current && found.isFetchedAfterMount ? (
        <Failure error={new Error("This user is gone.")} />
      ) : null}
      {current && found.isFetchedAfterMount ? (
        <ul className="text-sm">
          {current.data.roles.map((each) => (
            <li key={`${each.database_name}.${each.role}`}>
              {each.role} of {each.database_name}
            </li>
          ))}
        </ul>
      ) : null}
    </SidePanel>
  );
}

/** The one user of an answer. */
function one(found: Exact<{ users: MongoUser[] }>): Exact<MongoUser> | undefined {
  const data = found.data.users[0];
  const node = listOf(found.node, "users")[0];
  return data && node ? { data, node } : undefined;
}
