/** Any command the caller may run, as redis-cli takes it. */

import { ApiError } from "@studio-databases/client";
import {
  type Database,
  usePermissions,
  useRedisCommands,
  useRunRedisCommands,
} from "@studio-databases/client/react";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { isMarked } from "@/lib/engines";
import { Button, Dialog, Failure } from "@/ui";
import { Scroll } from "../scroll";
import { known } from "./commands";
import { Entries } from "./entries";
import { Line } from "./line";
import { logOf } from "./log";

interface Question {
  id: number;
  lines: readonly string[];
  message: string;
  token: string;
}

export default function RedisConsole({ database }: { database: Database }) {
  const log = logOf(database.id);
  const entries = useSyncExternalStore(log.subscribe, log.getEntries);
  const described = useRedisCommands(database.id);
  const permissions = usePermissions(database.id);
  const { mutateAsync, isPending } = useRunRedisCommands(database.id);
  const [question, setQuestion] = useState<Question>();
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);
  const commands = useMemo(() => known(described.data?.commands ?? []), [described.data]);

  const send = useCallback(
    async (id: number, lines: readonly string[], confirmation?: string) => {
      const mine = new AbortController();
      control.current = mine;
      try {
        const { replies } = await mutateAsync({ lines, confirmation, signal: mine.signal });
        log.end(id, replies);
      } catch (error) {
        const token = error instanceof ApiError ? error.confirmation : undefined;
        if (token && !confirmation) setQuestion({ id, lines, token, message: (error as ApiError).message });
        else log.fail(id, mine.signal.aborted ? STOPPED : error);
      }
    },
    [log, mutateAsync],
  );

  function run(text: string) {
    const lines = text.split("\n").filter((line) => line.trim() !== "");
    if (lines.length === 0 || isPending || question) return;
    void send(log.begin(lines), lines);
  }

  function answer(yes: boolean) {
    if (!question) return;
    setQuestion(undefined);
    if (yes) void send(question.id, question.lines, question.token);
    else log.fail(question.id, "Not confirmed: nothing was run.");
  }

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Entries entries={entries} onRepeat={run} />
      {described.isError ? (
        <Failure className="mx-3 mb-2" error={described.error} onRetry={() => described.refetch()} />
      ) : null}
      <Line
        commands={commands}
        role={permissions.data?.database?.role}
        isReadOnly={isMarked(database, "readonly")}
        history={log.history}
        isRunning={isPending}
        onRun={run}
        onStop={() => control.current?.abort()}
        {...(entries.length > 0 ? { onClear: () => log.clear() } : {})}
      />
      <Dialog
        open={question !== undefined}
        onOpenChange={(open) => {
          if (!open) answer(false);
        }}
        title={isMarked(database, "production") ? "Dangerous, on a production database" : "Dangerous"}
        footer={
          <>
            <Button onClick={() => answer(false)}>Cancel</Button>
            <Button kind="danger" onClick={() => answer(true)}>
              Run on {database.name}
            </Button>
          </>
        }
      >
        <div className="flex flex-col gap-3 text-sm text-text-light">
          <p>{question?.message}</p>
          <Scroll label="Commands to confirm" className="max-h-60 rounded-md border bg-surface-100 p-2">
            <pre className="font-mono text-xs break-all whitespace-pre-wrap text-text">
              {question?.lines.join("\n")}
            </pre>
          </Scroll>
        </div>
      </Dialog>
    </div>
  );
}

const STOPPED = "The page stopped waiting. What the server had begun may have been done.";
