import {
  type RedisName,
  useRedisString,
  useResetRedisKey,
  useSetRedisString,
} from "@studio-databases/client/react";
import { Failure, Loading } from "@/ui";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";
import { HyperLogLog, isHyperLogLog } from "./hyperloglog";
import { LongString } from "./long-string";

/** Bytes of a string that is loaded and edited as a whole. */
const WHOLE = 1 << 20;

/** A string: whole, or where it is long in ranges. */
export function StringView({ name, length }: { name: RedisName; length: number }) {
  return length > WHOLE ? <LongString name={name} /> : <ShortString name={name} />;
}

function ShortString({ name }: { name: RedisName }) {
  const { id, may } = useRedis();
  const found = useRedisString(id, name, 0, WHOLE);
  const save = useSetRedisString(id, name);
  const reset = useResetRedisKey(id, name);
  if (found.isPending) return <Loading>Loading the value…</Loading>;
  if (found.isError) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  const { bytes, length } = found.data;
  // It has grown since its length was asked for.
  if (length > bytes.length) return <LongString name={name} />;
  return (
    <>
      {isHyperLogLog(bytes) ? <HyperLogLog name={name} /> : null}
      <ValueEditor
        label="Value"
        bytes={bytes}
        onReload={reset}
        onSave={
          may("redis.key.set")
            ? (next, force) => save.mutateAsync({ bytes: next, expected: force ? undefined : bytes })
            : undefined
        }
      />
    </>
  );
}
