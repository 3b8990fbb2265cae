import {
  bytesOf,
  type RedisBlob,
  type RedisElement,
  type RedisName,
  useRedisElement,
} from "@studio-databases/client/react";
import { type ReactNode, useMemo } from "react";
import { bytes as size } from "@/lib/format";
import { Failure, Loading } from "@/ui";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";

/** Bytes of an element that are loaded. */
const MOST = 1 << 20;

/** The value of a hash's field or a list's item: what its page cut is loaded. */
export function ElementValue({
  name,
  element,
  content,
  onSave,
  onReload,
  actions,
}: {
  name: RedisName;
  element: RedisElement;
  content: RedisBlob;
  /** Saves over the bytes that were shown; `expected` is missing where that does not matter. */
  onSave?: ((bytes: Uint8Array, expected: Uint8Array | undefined) => Promise<unknown>) | undefined;
  onReload: () => void;
  actions?: ReactNode;
}) {
  const { id } = useRedis();
  const isCut = content.full_length > 0;
  const found = useRedisElement(id, name, isCut ? element : undefined, MOST);
  const here = useMemo(() => bytesOf(content), [content]);
  if (isCut && found.isPending) return <Loading>Loading the whole value…</Loading>;
  if (isCut && found.isError) {
    return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  }
  const bytes = found.data?.bytes ?? here;
  const isWhole = (found.data?.full ?? bytes.length) <= bytes.length;
  return (
    <>
      {isWhole ? null : (
        <p className="px-4 pt-2 text-xs text-text-light">
          The first {size(bytes.length)} of {size(found.data?.full ?? 0)}: too long to be edited here.
        </p>
      )}
      <ValueEditor
        label="Value"
        bytes={bytes}
        onReload={onReload}
        actions={actions}
        onSave={onSave && isWhole ? (next, force) => onSave(next, force ? undefined : bytes) : undefined}
      />
    </>
  );
}
