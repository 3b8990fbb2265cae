import { ApiError } from "@studio-databases/client";
import {
  type Database,
  importRedis,
  type RedisImported,
  toBase64,
  useClient,
} from "@studio-databases/client/react";
import { Upload } from "lucide-react";
import { useState } from "react";
import { count, bytes as size } from "@/lib/format";
import { Badge, Button, Checkbox, Dialog, Failure, Field, Input, Progress } from "@/ui";
import { Bytes } from "../../name";
import { useRun } from "../use-run";
import { pieces } from "./lines";
import { useQuestion } from "./use-question";

/** Bytes a call: some progress to see, and far below what a call takes. */
const PIECE = 4 << 20;
/** Failures that are kept. */
const MOST_FAILURES = 200;

interface Imported extends RedisImported {
  /** Bytes of the file that are done. */
  come: number;
}

const NOTHING: Imported = { lines: 0, succeeded: 0, failed: 0, failures: [], come: 0 };

/** Restores the keys of a file. */
export function Import({ database }: { database: Database }) {
  const client = useClient();
  const [file, setFile] = useState<File>();
  const [overwrite, setOverwrite] = useState(false);
  const [done, setDone] = useState<Imported>();
  const run = useRun<Imported>(setDone);
  const [question, ask] = useQuestion();
  const isRunning = run.status === "running";
  const isPacked = file?.name.endsWith(".gz") ?? false;

  async function* restore(from: File, signal: AbortSignal): AsyncGenerator<Imported, void, undefined> {
    let sum = NOTHING;
    let read = 0;
    let confirmation = "";
    const counted = from.stream().pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          read += chunk.byteLength;
          controller.enqueue(chunk);
        },
      }),
    );
    const lines = isPacked ? counted.pipeThrough(new DecompressionStream("gzip")) : counted;
    for await (const piece of pieces(lines, PIECE)) {
      const body = { lines: toBase64(piece.bytes), overwrite, first_line: piece.firstLine };
      const send = () => importRedis(client, database.id, body, confirmation, signal);
      const answer = await send().catch(async (error: unknown) => {
        const token = error instanceof ApiError ? error.confirmation : undefined;
        if (!token || !(await ask((error as ApiError).message, signal))) throw error;
        confirmation = token;
        return send();
      });
      sum = {
        lines: sum.lines + answer.lines,
        succeeded: sum.succeeded + answer.succeeded,
        failed: sum.failed + answer.failed,
        failures: [...sum.failures, ...answer.failures].slice(0, MOST_FAILURES),
        come: read,
      };
      yield sum;
    }
  }

  return (
    <section aria-labelledby="import" className="rounded-md border bg-surface-100">
      <h2 id="import" className="border-b px-4 py-2 text-sm font-medium">
        Import
      </h2>
      <form
        className="flex flex-col gap-3 p-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (!file) return;
          setDone(NOTHING);
          run.start((signal) => restore(file, signal));
        }}
      >
        <Field label="File" hint="An export in either format, or a part of one; also packed with gzip (.gz).">
          {(field) => (
            <Input
              {...field}
              type="file"
              accept=".ndjson,.jsonl,.json,.gz"
              className="!h-auto py-1.5"
              disabled={isRunning}
              onChange={(event) => setFile(event.target.files?.[0])}
            />
          )}
        </Field>
        <Checkbox
          label="Replace keys that are there"
          checked={overwrite}
          disabled={isRunning}
          onChange={(event) => setOverwrite(event.target.checked)}
        />
        {isRunning ? (
          <Button className="self-start" onClick={run.stop}>
            Stop
          </Button>
        ) : (
          <Button
            type="submit"
            kind="primary"
            className="self-start"
            icon={<Upload size={13} aria-hidden />}
            disabled={!file}
          >
            Import{file ? ` ${size(file.size)}` : ""}
          </Button>
        )}
        {run.error ? <Failure error={run.error} /> : null}
        {done && file ? (
          <Report
            done={done}
            share={isRunning ? done.come / Math.max(1, file.size) : undefined}
            status={run.status}
          />
        ) : null}
      </form>
      <Dialog
        open={question !== undefined}
        onOpenChange={() => question?.answer(false)}
        title="This is a production database"
        footer={
          <>
            <Button onClick={() => question?.answer(false)}>Cancel</Button>
            <Button kind="danger" onClick={() => question?.answer(true)}>
              Replace keys
            </Button>
          </>
        }
      >
        <p className="text-sm text-text-light">{question?.text}</p>
      </Dialog>
    </section>
  );
}

function Report({
  done,
  share,
  status,
}: {
  done: Imported;
  /** Of the file, while it goes on. */
  share: number | undefined;
  status: string;
}) {
  return (
    <div className="flex flex-col gap-2">
      {share === undefined ? null : <Progress label="Read of the file" value={share} />}
      <p role="status" className="flex items-center gap-2 text-sm text-text-light">
        {status === "done" ? <Badge tone="good">done</Badge> : null}
        {status === "stopped" ? <Badge tone="warning">stopped; what is restored stays</Badge> : null}
        {count(done.lines)} lines read, {count(done.succeeded)} {done.succeeded === 1 ? "key" : "keys"}{" "}
        restored
        {done.failed > 0 ? `, ${count(done.failed)} failed` : ""}
      </p>
      {done.failures.length > 0 ? (
        <table className="w-full text-xs">
          <caption className="pb-1 text-left text-text-light">
            {done.failed > done.failures.length ? `The first ${done.failures.length} failures` : "Failures"}
          </caption>
          <thead className="sr-only">
            <tr>
              <th>Line</th>
              <th>Key</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {done.failures.map((failure) => (
              <tr key={failure.line} className="border-t align-top">
                <td className="w-16 py-1 tabular-nums">{count(failure.line)}</td>
                <td className="max-w-48 truncate py-1 pr-3">
                  {failure.key ? <Bytes blob={failure.key} /> : null}
                </td>
                <td className="py-1 break-words">{failure.message}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </div>
  );
}
