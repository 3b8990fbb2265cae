/** What changes in a collection or a database, as it happens; a place that was seen is never lost. */

import { ApiError } from "@studio-databases/client";
import { type MongoWatch, useClient, watchMongoChanges } from "@studio-databases/client/react";
import { useRef, useState } from "react";
import { count, moment } from "@/lib/format";
import { Badge, Button, Code, Empty, Failure, Field, Select } from "@/ui";
import { problemOf, sent } from "../exact";
import { RunButton, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { useWork } from "../use-work";
import { ChangeDetails } from "./details";
import { ChangeList } from "./list";
import { type Change, changeOf, MOST_KEPT } from "./read";

const AGAIN_MS = 2_000;
/** How often what has come is shown. */
const SHOW_MS = 250;

export function Changes({ databaseId, databaseName, collection }: WorkProps) {
  const client = useClient();
  const work = useWork();
  const [pipeline, setPipeline] = useState("");
  const [fullDocument, setFullDocument] = useState<MongoWatch["fullDocument"]>("updateLookup");
  const [before, setBefore] = useState<MongoWatch["fullDocumentBeforeChange"]>("off");
  const [changes, setChanges] = useState<readonly Change[]>([]);
  const [seen, setSeen] = useState({ count: 0, at: 0, reconnecting: false });
  const [opened, setOpened] = useState<string>();
  const resume = useRef("");
  const problem = problemOf(pipeline);

  function start(from: string) {
    if (problem) return;
    if (!from) {
      setChanges([]);
      setSeen({ count: 0, at: 0, reconnecting: false });
    }
    resume.current = from;
    void work.start(async (signal) => {
      const watch = {
        databaseName,
        collection,
        pipeline: sent(pipeline),
        fullDocument,
        fullDocumentBeforeChange: before,
      };
      for (;;) {
        try {
          await follow(watch, signal);
          return;
        } catch (error) {
          if (signal.aborted || !(error instanceof ApiError) || !error.retryable) throw error;
          setSeen((now) => ({ ...now, reconnecting: true }));
          await pause(AGAIN_MS, signal);
        }
      }
    });
  }

  async function follow(watch: Omit<MongoWatch, "resume">, signal: AbortSignal) {
    let come: Change[] = [];
    const show = () => {
      const next = come;
      come = [];
      setSeen((now) => ({ count: now.count + next.length, at: Date.now(), reconnecting: false }));
      if (next.length > 0) setChanges((now) => [...next.toReversed(), ...now].slice(0, MOST_KEPT));
    };
    let waiting: ReturnType<typeof setTimeout> | undefined;
    try {
      for await (const text of watchMongoChanges(
        client,
        databaseId,
        { ...watch, resume: resume.current },
        signal,
      )) {
        const change = changeOf(text);
        resume.current = change.data.resume;
        if (!change.data.heartbeat) come = [...come, change].slice(-MOST_KEPT);
        waiting ??= setTimeout(() => {
          waiting = undefined;
          show();
        }, SHOW_MS);
      }
    } finally {
      clearTimeout(waiting);
      show();
    }
  }

  const chosen = changes.find((each) => each.data.resume === opened);
  const canGoOn = !work.running && resume.current !== "";
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <span className="text-sm">
          {collection ? `${databaseName}.${collection}` : `All collections of ${databaseName}`}
        </span>
        {work.running ? (
          <Badge tone={seen.reconnecting ? "warning" : "good"}>
            {seen.reconnecting ? "connecting again" : seen.at ? "live" : "connecting"}
          </Badge>
        ) : null}
        <div className="flex-1" />
        {canGoOn ? <Button onClick={() => start(resume.current)}>Go on where it stopped</Button> : null}
        <RunButton
          running={work.running}
          onRun={() => start("")}
          onStop={work.stop}
          disabled={Boolean(problem)}
        >
          Watch from now on
        </RunButton>
      </Toolbar>
      <div className="flex flex-wrap items-start gap-3 border-b px-4 py-2">
        <Field
          label="Only what passes this pipeline"
          optional
          className="min-w-52 flex-1"
          error={problem || undefined}
        >
          {() => (
            <Code
              label="Pipeline of the stream"
              className="h-9"
              language="json"
              lint={false}
              singleLine
              readOnly={work.running}
              placeholder='[{ $match: { operationType: "insert" } }]'
              value={pipeline}
              onChange={setPipeline}
            />
          )}
        </Field>
        <Field label="Document of an update">
          {(control) => (
            <Select
              {...control}
              className="!w-44 lg:!w-56"
              disabled={work.running}
              value={fullDocument}
              onChange={(event) => setFullDocument(event.target.value as MongoWatch["fullDocument"])}
            >
              <option value="updateLookup">As it is when it is read</option>
              <option value="default">Only what has changed</option>
              <option value="whenAvailable">As it was, where kept</option>
              <option value="required">As it was, always</option>
            </Select>
          )}
        </Field>
        <Field label="Document before">
          {(control) => (
            <Select
              {...control}
              className="!w-32 lg:!w-40"
              disabled={work.running}
              value={before}
              onChange={(event) => setBefore(event.target.value as MongoWatch["fullDocumentBeforeChange"])}
            >
              <option value="off">No</option>
              <option value="whenAvailable">Where kept</option>
              <option value="required">Always</option>
            </Select>
          )}
        </Field>
      </div>
      {work.error ? <Failure className="m-4" error={work.error} /> : null}
      <ChangeList
        changes={changes}
        selected={opened}
        onSelect={setOpened}
        empty={
          work.running ? (
            <Empty title="Nothing has changed yet.">Changes show here as they happen.</Empty>
          ) : (
            <Empty title="Follow what changes.">
              It needs a replica set or a sharded cluster. Whoever was cut off goes on where it stopped, and
              misses nothing.
            </Empty>
          )
        }
      />
      <Footer count={seen.count} kept={changes.length} at={seen.at} />
      {chosen ? <ChangeDetails change={chosen} onClose={() => setOpened(undefined)} /> : null}
    </div>
  );
}

function Footer({ count: all, kept, at }: { count: number; kept: number; at: number }) {
  return (
    <p className="border-t px-4 py-1.5 text-xs text-text-light">
      {count(all)} {all === 1 ? "change" : "changes"}
      {all > kept ? `, the last ${count(kept)} are shown` : ""}
      {at ? `; last word from the server ${moment(at)}` : ""}
    </p>
  );
}

/** Waits; ends at once when it is given up. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
