import type { Client } from "@studio-databases/client";
import {
  bytesOf,
  nameBlob,
  type RedisName,
  readable,
  redisGet,
  useClient,
  useRedisString,
  useResetRedisKey,
  useSetRedisRange,
} from "@studio-databases/client/react";
import { ChevronFirst, ChevronLast, ChevronLeft, ChevronRight, Download } from "lucide-react";
import { type FormEvent, useEffect, useMemo, useRef, useState } from "react";
import { saveStream } from "@/lib/download";
import { count, bytes as size } from "@/lib/format";
import { Button, Failure, IconButton, Loading, toast } from "@/ui";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";
import { InlineField } from "../inline-field";
import { useGuard } from "../unsaved";

/** Bytes of a range. */
const RANGE = 64 << 10;
/** Bytes of a range while all of it is saved to a file. */
const SAVED_RANGE = 4 << 20;

/** A string that is too long to be loaded as a whole: looked at, and written over, range by range. */
export function LongString({ name }: { name: RedisName }) {
  const { id, may } = useRedis();
  const guard = useGuard();
  const [offset, setOffset] = useState(0);
  const found = useRedisString(id, name, offset, RANGE);
  const save = useSetRedisRange(id, name);
  const reset = useResetRedisKey(id, name);
  const range = useMemo(() => ({ offset }), [offset]);
  if (found.isError) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  const { bytes, length } = found.data ?? { bytes: undefined, length: 0 };
  const last = Math.max(0, Math.floor((length - 1) / RANGE) * RANGE);
  const mayEdit = may("redis.string.setrange");
  const goTo = (next: number) => guard(() => setOffset(next));
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b px-4 py-2 text-xs">
        <IconButton label="First range" disabled={offset === 0} onClick={() => goTo(0)}>
          <ChevronFirst size={14} aria-hidden />
        </IconButton>
        <IconButton
          label="Range before"
          disabled={offset === 0}
          onClick={() => goTo(Math.max(0, offset - RANGE))}
        >
          <ChevronLeft size={14} aria-hidden />
        </IconButton>
        <GoTo key={offset} offset={offset} last={length - 1} onGo={goTo} />
        <IconButton
          label="Next range"
          disabled={offset + RANGE >= length}
          onClick={() => goTo(offset + RANGE)}
        >
          <ChevronRight size={14} aria-hidden />
        </IconButton>
        <IconButton label="Last range" disabled={offset >= last} onClick={() => goTo(last)}>
          <ChevronLast size={14} aria-hidden />
        </IconButton>
        {bytes ? (
          <span className="text-text-light">
            to {count(offset + bytes.length)} of {count(length)} bytes
          </span>
        ) : null}
        <div className="flex-1" />
        <Save name={name} length={length} />
      </div>
      <p className="px-4 pt-2 text-xs text-text-light">
        A long value comes in ranges of {size(RANGE)}.{" "}
        {mayEdit
          ? "What you change in one is written over the same bytes: none are added or taken away."
          : ""}
      </p>
      {bytes ? (
        <ValueEditor
          key={offset}
          label="Range of the value"
          bytes={bytes}
          range={range}
          onReload={reset}
          onSave={
            mayEdit
              ? (next, force) =>
                  save.mutateAsync({ offset, bytes: next, expected: force ? undefined : bytes })
              : undefined
          }
        />
      ) : (
        <Loading>Loading a range of the value…</Loading>
      )}
    </div>
  );
}

function GoTo({ offset, last, onGo }: { offset: number; last: number; onGo: (offset: number) => void }) {
  const [text, setText] = useState(String(offset));
  function submit(event: FormEvent) {
    event.preventDefault();
    const wanted = Number(text.replaceAll(",", ""));
    if (Number.isInteger(wanted)) onGo(Math.min(last, Math.max(0, wanted)));
  }
  return (
    <form onSubmit={submit} className="flex items-center gap-1.5">
      <InlineField
        label="Byte"
        className="!w-28 text-right tabular-nums"
        inputMode="numeric"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </form>
  );
}

function Save({ name, length }: { name: RedisName; length: number }) {
  const { id } = useRedis();
  const client = useClient();
  const [come, setCome] = useState<number>();
  const abort = useRef<AbortController>(null);
  useEffect(() => () => abort.current?.abort(), []);

  async function save() {
    const stop = new AbortController();
    abort.current = stop;
    setCome(0);
    try {
      const body = streamOf(ranges(client, id, name, stop.signal));
      const file =
        readable(nameBlob(name))
          .replaceAll(/[^\w.-]+/g, "_")
          .slice(0, 80) || "value";
      await saveStream(new Response(body), file, setCome);
    } catch (error) {
      if (!stop.signal.aborted) toast.failed(error);
    } finally {
      setCome(undefined);
    }
  }

  if (come === undefined) {
    return (
      <Button icon={<Download size={13} aria-hidden />} onClick={save}>
        Save to a file
      </Button>
    );
  }
  return (
    <span className="flex items-center gap-2" role="status">
      {Math.floor((come / Math.max(1, length)) * 100)} %
      <Button onClick={() => abort.current?.abort()}>Stop</Button>
    </span>
  );
}

/** All of a string, range after range. */
async function* ranges(client: Client, databaseId: string, name: RedisName, signal: AbortSignal) {
  for (let offset = 0; ; offset += SAVED_RANGE) {
    const query = { ...name, offset, limit: SAVED_RANGE };
    const found = await redisGet(client, databaseId, "get", query, signal);
    yield bytesOf(found);
    if (!found.truncated) return;
  }
}

/** A stream that asks for the next part when the one before is taken. */
function streamOf(parts: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
