import { ApiError } from "@studio-databases/client";
import {
  buildMongoIndexes,
  forgetMongoIndexes,
  type MongoIndexBuild,
  type MongoNamespace,
  useClient,
} from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { count, duration } from "@/lib/format";
import { Button, Checkbox, Code, Copy, Failure, Field, Input, Progress, SidePanel, toast } from "@/ui";
import { problemOf, sent } from "../exact";
import { useWork } from "../use-work";
import { KeyFields } from "./key-fields";
import { type Key, keyText } from "./keys";

/** Builds an index, and shows how far it is. Closing the panel or stopping aborts the build. */
export function BuildIndex({
  databaseId,
  of,
  initial = [{ field: "", kind: "1" }],
  onClose,
}: {
  databaseId: string;
  of: MongoNamespace;
  initial?: readonly Key[];
  onClose: () => void;
}) {
  const [keys, setKeys] = useState(initial);
  const [name, setName] = useState("");
  const [flags, setFlags] = useState({ unique: false, sparse: false, hidden: false });
  const [expiry, setExpiry] = useState("");
  const [partial, setPartial] = useState("");
  const [collation, setCollation] = useState("");
  const [progress, setProgress] = useState<MongoIndexBuild>();
  const client = useClient();
  const queries = useQueryClient();
  const work = useWork();
  const wrong = problemOf(partial) || problemOf(collation) || (/^\d*$/.test(expiry) ? "" : "seconds");

  function build() {
    setProgress(undefined);
    void work.start(async (signal) => {
      const spec = {
        key: keyText(keys),
        name,
        ...flags,
        expireAfterSeconds: expiry ? Number(expiry) : undefined,
        partialFilterExpression: sent(partial),
        collation: sent(collation),
      };
      try {
        for await (const event of buildMongoIndexes(client, databaseId, of, [spec], signal)) {
          setProgress(event);
          if (!event.done) continue;
          toast.done(
            event.existing.length > 0
              ? `${event.existing.join(", ")} was there already.`
              : `${event.names.join(", ")} is built.`,
          );
          onClose();
        }
      } finally {
        await forgetMongoIndexes(queries, databaseId, of);
      }
    });
  }

  const flag = (which: keyof typeof flags, label: string) => (
    <Checkbox
      label={label}
      checked={flags[which]}
      onChange={(event) => setFlags({ ...flags, [which]: event.target.checked })}
    />
  );
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title="Build an index"
      description={`On ${of.databaseName}.${of.collection}`}
      footer={
        work.running ? (
          <Button kind="danger" onClick={work.stop}>
            Abort the build
          </Button>
        ) : (
          <>
            <Button onClick={onClose}>Cancel</Button>
            <Button
              kind="primary"
              disabled={Boolean(wrong) || !keys.some((each) => each.field)}
              onClick={build}
            >
              Build
            </Button>
          </>
        )
      }
    >
      <div className="flex flex-col gap-4">
        <KeyFields databaseId={databaseId} of={of} keys={keys} onChange={setKeys} />
        <Field label="Name" optional hint="Made of the fields where it is left out.">
          {(control) => (
            <Input
              {...control}
              value={name}
              spellCheck={false}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <div className="flex flex-wrap gap-5">
          {flag("unique", "Unique")}
          {flag("sparse", "Sparse")}
          {flag("hidden", "Hidden from queries")}
        </div>
        <Field
          label="Documents expire after"
          optional
          hint="Seconds after the time in the field."
          error={/^\d*$/.test(expiry) ? undefined : "This must be a whole number of seconds."}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              value={expiry}
              onChange={(event) => setExpiry(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Only documents that match"
          optional
          hint="A partial index: smaller, but for queries with this condition alone."
          error={problemOf(partial) || undefined}
        >
          {() => (
            <Code
              label="Only documents that match"
              className="h-20"
              language="json"
              lint={false}
              placeholder='{ status: "open" }'
              value={partial}
              onChange={setPartial}
            />
          )}
        </Field>
        <Field label="Collation" optional error={problemOf(collation) || undefined}>
          {() => (
            <Code
              label="Collation"
              className="h-16"
              language="json"
              lint={false}
              placeholder='{ locale: "en", strength: 2 }'
              value={collation}
              onChange={setCollation}
            />
          )}
        </Field>
        {work.running ? <Building progress={progress} /> : null}
        {work.stopped ? (
          <p className="text-sm text-text-light">The build was aborted; nothing is left of it.</p>
        ) : null}
        {work.error ? <Failed error={work.error} /> : null}
      </div>
    </SidePanel>
  );
}

function Building({ progress }: { progress: MongoIndexBuild | undefined }) {
  const done = progress?.work_done ?? -1;
  const total = progress?.work_total ?? -1;
  const known = done >= 0 && total > 0;
  return (
    <div role="status" className="flex flex-col gap-1.5">
      <Progress label="Build of the index" value={known ? done / total : undefined} />
      <p className="text-xs text-text-light">
        {progress?.message || "Building…"} {known ? `${count(done)} of ${count(total)}` : ""}
        {progress ? `, ${duration(progress.elapsed_ms)}` : ""}. Closing this panel aborts it.
      </p>
    </div>
  );
}

function Failed({ error }: { error: unknown }) {
  const pipeline = error instanceof ApiError ? error.metadata.find_duplicates : undefined;
  return (
    <div className="flex flex-col gap-2">
      <Failure error={error} />
      {pipeline ? (
        <div className="flex items-start gap-2 rounded-md border p-3 text-sm">
          <div className="min-w-0 flex-1">
            <p>This pipeline lists the documents with the same values:</p>
            <code className="mt-1 block font-mono text-xs break-all">{pipeline}</code>
          </div>
          <Copy text={pipeline} label="Copy the pipeline" />
        </div>
      ) : null}
    </div>
  );
}
