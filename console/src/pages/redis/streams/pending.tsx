import {
  blobId,
  inputOf,
  type RedisBlob,
  type RedisName,
  type RedisPendingEntry,
  useRedisChange,
  useRedisPending,
} from "@studio-databases/client/react";
import { useMemo, useState } from "react";
import { count, duration } from "@/lib/format";
import { Asked, Button, type Column, Empty, Grid, toast } from "@/ui";
import { useRedis } from "../context";
import { Bytes } from "../name";
import { Claim } from "./claim";

/** Ids of one call at most. */
const MOST_IDS = 1000;

/** What a group has not acknowledged: to acknowledge, or to hand to another consumer. */
export function Pending({
  name,
  group,
  consumer,
  onChanged,
}: {
  name: RedisName;
  group: RedisBlob;
  consumer: RedisBlob | undefined;
  onChanged: () => Promise<void>;
}) {
  const { id, may } = useRedis();
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [claiming, setClaiming] = useState(false);
  const found = useRedisPending(id, name, group, consumer);
  const ack = useRedisChange(id, name, "stream/ack");
  const rows = useMemo(() => (found.data?.pages ?? []).flatMap((page) => page.entries), [found.data]);
  const ids = rows.map((row) => row.id).filter((each) => marked.has(each));
  const mayAck = may("redis.stream.ack");
  const mayClaim = may("redis.stream.claim");

  function mark(entryId: string) {
    const next = new Set(marked);
    if (!next.delete(entryId) && next.size < MOST_IDS) next.add(entryId);
    setMarked(next);
  }

  async function acknowledge() {
    try {
      const { acknowledged } = await ack.mutateAsync({ group: inputOf(group), ids });
      toast.done(`${count(acknowledged)} acknowledged.`);
      setMarked(new Set());
      await onChanged();
    } catch (error) {
      toast.failed(error);
    }
  }

  const columns: Column<RedisPendingEntry>[] = [
    ...(mayAck || mayClaim
      ? [
          {
            id: "mark",
            header: (
              <input
                type="checkbox"
                aria-label="Mark all that are loaded"
                className="accent-[var(--brand)]"
                checked={rows.length > 0 && ids.length === Math.min(rows.length, MOST_IDS)}
                onChange={(event) =>
                  setMarked(new Set(event.target.checked ? rows.slice(0, MOST_IDS).map((row) => row.id) : []))
                }
              />
            ),
            width: "2.75rem",
            cell: (row: RedisPendingEntry) => (
              <input
                type="checkbox"
                aria-label={`Mark ${row.id}`}
                className="accent-[var(--brand)]"
                checked={marked.has(row.id)}
                onChange={() => mark(row.id)}
              />
            ),
          },
        ]
      : []),
    {
      id: "id",
      header: "Pending id",
      width: "minmax(10rem, 1fr)",
      cell: (row) => <span className="font-mono text-xs">{row.id}</span>,
    },
    {
      id: "consumer",
      header: "Consumer",
      width: "minmax(6rem, 10rem)",
      cell: (row) => <Bytes blob={row.consumer ?? {}} />,
    },
    { id: "idle", header: "Idle", width: "6rem", align: "right", cell: (row) => duration(row.idle_ms) },
    {
      id: "deliveries",
      header: "Delivered",
      width: "5.5rem",
      align: "right",
      cell: (row) => `${count(row.deliveries)}×`,
    },
  ];

  return (
    <div className="flex min-w-0 flex-1 flex-col">
      <Asked of={found} className="m-2">
        Loading what is pending…
      </Asked>
      {found.isSuccess ? (
        <Grid<RedisPendingEntry>
          label="Pending entries"
          rows={rows}
          columns={columns}
          rowKey={(row) => row.id}
          rowHeight={28}
          onEnd={() => {
            if (found.hasNextPage && !found.isFetching) void found.fetchNextPage();
          }}
          empty={<Empty title="Everything that was delivered is acknowledged." />}
        />
      ) : null}
      <footer className="flex h-10 shrink-0 items-center gap-2 border-t px-3 text-xs text-text-light">
        <span className="flex-1">
          {ids.length > 0
            ? `${count(ids.length)} marked`
            : `${count(found.data?.pages[0]?.total ?? 0)} pending in the group`}
        </span>
        {mayClaim ? (
          <Button disabled={rows.length === 0} onClick={() => setClaiming(true)}>
            Claim…
          </Button>
        ) : null}
        {mayAck ? (
          <Button disabled={ids.length === 0} loading={ack.isPending} onClick={acknowledge}>
            Acknowledge
          </Button>
        ) : null}
      </footer>
      {claiming ? (
        <Claim
          key={blobId(group)}
          name={name}
          group={group}
          ids={ids}
          onClose={() => setClaiming(false)}
          onClaimed={async () => {
            setMarked(new Set());
            await onChanged();
          }}
        />
      ) : null}
    </div>
  );
}
