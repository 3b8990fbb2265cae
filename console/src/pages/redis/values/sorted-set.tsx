import {
  blobId,
  type RedisName,
  type RedisScoredMember,
  type RedisScores,
  useRedisSortedSet,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { ArrowDownNarrowWide, ArrowDownWideNarrow, Plus } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { Button, type Column, Empty, IconButton, Input } from "@/ui";
import { useRedis } from "../context";
import { Bytes } from "../name";
import { Elements } from "./elements";
import { Filter } from "./filter";
import { AddScored, ScoredPane } from "./scored-member";

const ALL: RedisScores = { reverse: false, min: "", max: "", pattern: "" };
const idOf = (row: RedisScoredMember) => blobId(row.member ?? {});

const COLUMNS: readonly Column<RedisScoredMember>[] = [
  {
    id: "score",
    header: "Score",
    width: "minmax(7rem, 11rem)",
    align: "right",
    cell: (row) => <span className="font-mono text-xs">{row.score}</span>,
  },
  {
    id: "member",
    header: "Member",
    width: "minmax(12rem, 1fr)",
    cell: (row) => <Bytes blob={row.member ?? {}} />,
  },
];

/** A sorted set, by rank or by score. */
export function SortedSet({ name, length }: { name: RedisName; length: number }) {
  const { id, may } = useRedis();
  const [scores, setScores] = useState(ALL);
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const pages = useRedisSortedSet(id, name, scores);
  const reset = useResetRedisKey(id, name);
  const rows = useMemo(() => {
    const found = new Map<string, RedisScoredMember>();
    for (const page of pages.data?.pages ?? []) {
      for (const each of page.members) found.set(idOf(each), each);
    }
    return [...found.values()];
  }, [pages.data]);
  const member = rows.find((row) => idOf(row) === chosen);
  return (
    <Elements<RedisScoredMember>
      pages={pages}
      rows={rows}
      total={length}
      label="Members"
      columns={COLUMNS}
      rowKey={idOf}
      selected={chosen}
      onSelect={(row) => setChosen(idOf(row))}
      toolbar={
        <>
          <Filter label="Find members" onFilter={(pattern) => setScores({ ...scores, pattern })} />
          <Range onRange={(range) => setScores({ ...scores, ...range })} disabled={scores.pattern !== ""} />
          <IconButton
            label={
              scores.reverse ? "Greatest first; show the least first" : "Least first; show the greatest first"
            }
            disabled={scores.pattern !== ""}
            onClick={() => setScores({ ...scores, reverse: !scores.reverse })}
          >
            {scores.reverse ? (
              <ArrowDownWideNarrow size={15} aria-hidden />
            ) : (
              <ArrowDownNarrowWide size={15} aria-hidden />
            )}
          </IconButton>
          {may("redis.sortedset.add") ? (
            <Button icon={<Plus size={14} aria-hidden />} onClick={() => setAdding(true)}>
              Add member
            </Button>
          ) : null}
        </>
      }
      empty={<Empty title={length > 0 ? "No member matches." : "The sorted set is empty."} />}
    >
      {member ? (
        <ScoredPane key={chosen} name={name} scored={member} onClose={() => setChosen(undefined)} />
      ) : null}
      {adding ? (
        <AddScored name={name} onClose={() => setAdding(false)} onAdded={() => void reset()} />
      ) : null}
    </Elements>
  );
}

/** Least and greatest score. */
function Range({
  onRange,
  disabled,
}: {
  onRange: (range: { min: string; max: string }) => void;
  disabled: boolean;
}) {
  const [min, setMin] = useState("");
  const [max, setMax] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    onRange({ min: min.trim(), max: max.trim() });
  }
  const shared = {
    disabled,
    className: "!h-[26px] !w-20 !px-2 font-mono !text-xs",
    title: "(5 leaves 5 out",
  };
  return (
    <form onSubmit={submit} className="flex items-center gap-1" aria-label="Range of scores">
      <Input
        {...shared}
        aria-label="Least score"
        placeholder="from"
        value={min}
        onChange={(event) => setMin(event.target.value)}
      />
      <Input
        {...shared}
        aria-label="Greatest score"
        placeholder="to"
        value={max}
        onChange={(event) => setMax(event.target.value)}
      />
      <Button type="submit" disabled={disabled}>
        Apply
      </Button>
    </form>
  );
}
