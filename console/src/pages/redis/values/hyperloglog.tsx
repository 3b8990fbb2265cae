import { nameBlob, type RedisName, redisKeyId, redisPost, useClient } from "@studio-databases/client/react";
import { useQuery } from "@tanstack/react-query";
import { count } from "@/lib/format";
import { useRedis } from "../context";

/** The first bytes of a HyperLogLog: https://redis.io/docs/latest/develop/data-types/probabilistic/hyperloglogs/ */
const MAGIC = [0x48, 0x59, 0x4c, 0x4c];

/** Whether a string holds a HyperLogLog. */
export function isHyperLogLog(bytes: Uint8Array): boolean {
  return bytes.length >= 16 && MAGIC.every((byte, at) => bytes[at] === byte);
}

/** About how many different elements a HyperLogLog has seen. */
export function HyperLogLog({ name }: { name: RedisName }) {
  const { id } = useRedis();
  const client = useClient();
  const found = useQuery({
    queryKey: redisKeyId(id, name, "hyperloglog"),
    queryFn: ({ signal }) => redisPost(client, id, "hyperloglog/count", { keys: [nameBlob(name)] }, signal),
  });
  if (!found.data) return null;
  return (
    <p className="px-4 pt-2 text-xs text-text-light">
      A HyperLogLog that has seen <span className="text-text">~{count(found.data.count)}</span> different
      elements (within 0.81 %).
    </p>
  );
}
