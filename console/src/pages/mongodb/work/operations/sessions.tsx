import { type MongoSession, useMongoSessions } from "@studio-databases/client/react";
import { type ReactNode, useState } from "react";
import { ago, count, moment } from "@/lib/format";
import { Asked, Checkbox, type Column, Copy, Empty, Grid, Reload } from "@/ui";
import { Missing, Toolbar } from "../parts";

const COLUMNS: readonly Column<MongoSession>[] = [
  {
    id: "id",
    header: "Session",
    width: "minmax(20rem, 20fr)",
    cell: ({ id }) => (
      <span className="flex items-center gap-1 font-mono text-xs">
        {id} <Copy text={id} label="Copy the session's id" />
      </span>
    ),
  },
  { id: "user", header: "User", width: "minmax(9rem, 9fr)", cell: ({ user }) => user || "–" },
  {
    id: "used",
    header: "Last used",
    width: "minmax(9rem, 9fr)",
    cell: ({ last_use_unix_ms: at }) => <span title={moment(at)}>{ago(at)}</span>,
  },
];

/** Logical sessions: whose they are, and when they were last used. */
export function Sessions({ databaseId, parts }: { databaseId: string; parts: ReactNode }) {
  const [cluster, setCluster] = useState(false);
  const found = useMongoSessions(databaseId, cluster);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        {parts}
        <Checkbox
          className="!text-xs"
          label="Of the whole cluster, some minutes late"
          checked={cluster}
          onChange={(event) => setCluster(event.target.checked)}
        />
        <div className="flex-1" />
        <Reload of={found} />
      </Toolbar>
      <Asked of={found}>Asking the server…</Asked>
      {found.data ? (
        <>
          <Grid<MongoSession>
            label="Sessions"
            rows={found.data.sessions}
            columns={COLUMNS}
            rowKey={(each) => each.id}
            empty={
              <Empty title="No session is known.">
                {cluster ? null : "Those of the whole cluster may be more."}
              </Empty>
            }
          />
          <Missing of={found.data.unavailable} />
          <p className="border-t px-4 py-1.5 text-xs text-text-light">
            {found.data.has_more
              ? `The ${count(found.data.sessions.length)} used last`
              : `${count(found.data.sessions.length)} ${found.data.sessions.length === 1 ? "session" : "sessions"}`}
          </p>
        </>
      ) : null}
    </div>
  );
}
