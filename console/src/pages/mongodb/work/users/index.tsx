/** Users of the server and roles of its databases. */

import { useMay, usePermissions } from "@studio-databases/client/react";
import { Empty, Loading } from "@/ui";
import { Parts } from "../parts";
import type { WorkProps } from "../types";
import { Roles } from "./roles";
import { UserList } from "./user-list";

const PARTS = [
  ["", "Users"],
  ["roles", "Roles"],
] as const;

export function Users({ databaseId, databaseName, part, onPart }: WorkProps) {
  const may = useMay(databaseId);
  const permissions = usePermissions(databaseId);
  if (permissions.isPending) return <Loading />;
  if (!may("mongodb.user.list")) {
    return (
      <Empty title="You may not see users and roles.">
        That takes the role administrator on this database.
      </Empty>
    );
  }
  const parts = <Parts label="Who may do what" parts={PARTS} chosen={part} onChoose={onPart} />;
  if (part === "roles") return <Roles databaseId={databaseId} databaseName={databaseName} parts={parts} />;
  return <UserList databaseId={databaseId} databaseName={databaseName} parts={parts} />;
}
