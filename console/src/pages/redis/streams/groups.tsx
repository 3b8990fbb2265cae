import {
  blobId,
  inputOf,
  type RedisName,
  type RedisStreamGroup,
  readable,
  redisKeyId,
  useRedisChange,
  useRedisGroups,
} from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { count } from "@/lib/format";
import { Button, type Column, Confirm, Empty, Failure, Grid, Loading, toast } from "@/ui";
import { useRedis } from "../context";
import { Bytes } from "../name";
import { GroupView } from "./group";
import { CreateGroup, MoveGroup } from "./group-forms";

const idOf = (group: RedisStreamGroup) => blobId(group.name ?? {});

const COLUMNS: readonly Column<RedisStreamGroup>[] = [
  { id: "name", header: "Group", width: "minmax(8rem, 1fr)", cell: (row) => <Bytes blob={row.name ?? {}} /> },
  {
    id: "consumers",
    header: "Consumers",
    width: "6.5rem",
    align: "right",
    cell: (row) => count(row.consumers),
  },
  { id: "pending", header: "Pending", width: "6rem", align: "right", cell: (row) => count(row.pending) },
  {
    id: "lag",
    header: "Not delivered",
    width: "7rem",
    align: "right",
    cell: (row) => (row.lag < 0 ? "unknown" : count(row.lag)),
  },
  {
    id: "last",
    header: "Last delivered",
    width: "minmax(10rem, 12rem)",
    cell: (row) => <span className="font-mono text-xs">{row.last_delivered_id}</span>,
  },
];

/** The consumer groups of a stream, and the chosen one. */
export function Groups({ name }: { name: RedisName }) {
  const { id, may } = useRedis();
  const queries = useQueryClient();
  const found = useRedisGroups(id, name);
  const remove = useRedisChange(id, name, "stream/groups/delete");
  const [chosen, setChosen] = useState<string>();
  const [open, setOpen] = useState<"create" | "move" | "delete">();
  const group = found.data?.groups.find((each) => idOf(each) === chosen);

  async function refresh() {
    await queries.invalidateQueries({ queryKey: redisKeyId(id, name, "stream") });
  }

  if (found.isPending) return <Loading>Loading the groups…</Loading>;
  if (found.isError) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  return (
    <>
      <div className="flex items-center gap-2 border-b px-4 py-2 text-xs">
        {group && may("redis.stream.group_position") ? (
          <Button onClick={() => setOpen("move")}>Move to another entry…</Button>
        ) : null}
        {group && may("redis.stream.group_delete") ? (
          <Button onClick={() => setOpen("delete")}>Delete the group…</Button>
        ) : null}
        <div className="flex-1" />
        <Button kind="text" loading={found.isFetching} onClick={refresh}>
          Refresh
        </Button>
        {may("redis.stream.group_create") ? (
          <Button icon={<Plus size={14} aria-hidden />} onClick={() => setOpen("create")}>
            Add group
          </Button>
        ) : null}
      </div>
      <Grid<RedisStreamGroup>
        label="Consumer groups"
        rows={found.data.groups}
        columns={COLUMNS}
        rowKey={idOf}
        rowHeight={28}
        selected={chosen}
        onSelect={(row) => setChosen(idOf(row))}
        empty={<Empty title="Nobody reads this stream by a group." />}
        className={group ? "max-h-44" : ""}
      />
      {group ? (
        <GroupView key={chosen} name={name} group={group.name ?? { full_length: 0 }} onChanged={refresh} />
      ) : null}
      {open === "create" ? (
        <CreateGroup name={name} onClose={() => setOpen(undefined)} onDone={refresh} />
      ) : null}
      {open === "move" && group ? (
        <MoveGroup name={name} group={group} onClose={() => setOpen(undefined)} onDone={refresh} />
      ) : null}
      {group ? (
        <Confirm
          open={open === "delete"}
          onOpenChange={() => setOpen(undefined)}
          title="Delete this group?"
          action="Delete"
          onConfirm={async () => {
            await remove.mutateAsync({ group: inputOf(group.name ?? {}) });
            toast.done("The group is deleted.");
            setChosen(undefined);
            await refresh();
          }}
        >
          <p className="font-mono text-xs break-all text-text">{readable(group.name ?? {})}</p>
          <p>
            Its {count(group.pending)} pending entries are forgotten; consumers that read by it get an error.
          </p>
        </Confirm>
      ) : null}
    </>
  );
}
