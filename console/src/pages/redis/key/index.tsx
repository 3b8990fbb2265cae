/** One key: what is known of it, and its value. */

import { ApiError } from "@studio-databases/client";
import {
  type RedisKeyDetails,
  type RedisName,
  useRedisKey,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { type ComponentType, useEffect } from "react";
import { Button, Empty, Failure, Loading } from "@/ui";
import { useRedis } from "../context";
import { Stream } from "../streams";
import { typeName } from "../type-badge";
import { useGuard } from "../unsaved";
import { Hash } from "../values/hash";
import { Json } from "../values/json";
import { List } from "../values/list";
import { SetView } from "../values/set";
import { SortedSet } from "../values/sorted-set";
import { StringView } from "../values/string";
import { KeyHeader } from "./header";

/** What shows a value of a type. */
const VALUES: Readonly<Record<string, ComponentType<{ name: RedisName; length: number }>>> = {
  string: StringView,
  hash: Hash,
  list: List,
  set: SetView,
  zset: SortedSet,
  stream: Stream,
  "ReJSON-RL": Json,
};

export function KeyView({
  name,
  onName,
  onDelete,
  onDetails,
}: {
  name: RedisName;
  /** The key has another name now, or another one is to be shown. */
  onName: (name: RedisName | undefined) => void;
  onDelete: () => void;
  /** Told what is known of the key; undefined where it is gone. */
  onDetails: (name: RedisName, details: RedisKeyDetails | undefined) => void;
}) {
  const { id } = useRedis();
  const found = useRedisKey(id, name);
  const reset = useResetRedisKey(id, name);
  const guard = useGuard();
  const isGone = found.error instanceof ApiError && found.error.status === 404;
  const { data } = found;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `name` is a new object each time, and belongs to the key's view
  useEffect(() => {
    if (isGone) onDetails(name, undefined);
    else if (data) onDetails(name, data);
  }, [isGone, data]);

  if (found.isPending) return <Loading className="flex-1 self-start">Looking at the key…</Loading>;
  if (isGone) {
    return (
      <div className="min-w-0 flex-1">
        <Empty
          title="This key does not exist (any more)."
          action={<Button onClick={reset}>Look again</Button>}
        >
          It expired, was deleted or renamed, or never was.
        </Empty>
      </div>
    );
  }
  if (found.isError) {
    return (
      <div className="min-w-0 flex-1 p-4">
        <Failure error={found.error} onRetry={() => found.refetch()} />
      </div>
    );
  }
  const Value = VALUES[found.data.type];
  return (
    <section aria-label="Key" className="flex min-w-0 flex-1 flex-col">
      <KeyHeader
        name={name}
        details={found.data}
        onName={onName}
        onDelete={onDelete}
        onRefresh={() => guard(() => void reset())}
      />
      {Value ? (
        <Value name={name} length={found.data.length} />
      ) : (
        <Empty title={`Values of type ${typeName(found.data.type)} can't be shown here.`}>
          It is a module's type. The console can run the module's commands.
        </Empty>
      )}
    </section>
  );
}
