import {
  importMongoDocuments,
  keys,
  type MongoFileFormat,
  type MongoImport,
  type MongoImportProgress,
  type MongoNamespace,
  type MongoRowFailure,
  useClient,
} from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { bytes } from "@/lib/format";
import { Button, Checkbox, Failure, Field, Input, Select } from "@/ui";
import { RunButton } from "../parts";
import { useWork } from "../use-work";
import { FORMATS, formatOf } from "./file";
import { ImportReport } from "./report";

const MODES = {
  insert: "Insert",
  upsert: "Replace those with the same key, or insert",
  replace: "Replace those with the same key only",
  merge: "Set fields of those with the same key, or insert",
} as const;

type Options = { stop_on_error: boolean; bypass_validation: boolean; ignore_blanks: boolean };

/** Writes the documents of a file into the collection; rows that fail are listed. */
export function Import({ databaseId, of }: { databaseId: string; of: MongoNamespace }) {
  const [file, setFile] = useState<File>();
  const [format, setFormat] = useState<MongoFileFormat>("ndjson");
  const [mode, setMode] = useState<keyof typeof MODES>("insert");
  const [key, setKey] = useState("");
  const [options, setOptions] = useState<Options>({
    stop_on_error: false,
    bypass_validation: false,
    ignore_blanks: true,
  });
  const [progress, setProgress] = useState<MongoImportProgress>();
  const [failures, setFailures] = useState<readonly MongoRowFailure[]>([]);
  const [bytesSent, setBytesSent] = useState(0);
  const client = useClient();
  const queries = useQueryClient();
  const work = useWork();

  function start(skipRows = 0) {
    if (!file) return;
    setProgress(undefined);
    setFailures([]);
    setBytesSent(0);
    void work.start(async (signal) => {
      const how: MongoImport = {
        format,
        mode,
        key_fields: mode === "insert" ? [] : key.split(",").flatMap((each) => each.trim() || []),
        ...options,
        skip_rows: skipRows,
        with_rows: true,
      };
      try {
        for await (const event of importMongoDocuments(
          client,
          databaseId,
          of,
          how,
          file,
          setBytesSent,
          signal,
        )) {
          setProgress(event);
          if (event.failures.length > 0) setFailures((before) => [...before, ...event.failures]);
        }
      } finally {
        const about = ["documents", "stats", "collections"];
        for (const each of about) {
          void queries.invalidateQueries({
            queryKey: keys.engine("mongodb", databaseId, each, of.databaseName),
          });
        }
      }
    });
  }

  function choose(chosen: File | undefined) {
    setFile(chosen);
    setProgress(undefined);
    setFailures([]);
    const found = chosen && formatOf(chosen.name);
    if (found) setFormat(found);
  }

  const option = (name: keyof Options, label: string) => (
    <Checkbox
      label={label}
      checked={options[name]}
      onChange={(event) => setOptions({ ...options, [name]: event.target.checked })}
    />
  );
  const resume = Number(progress?.resume ?? 0);
  const canGoOn = !work.running && (work.stopped || Boolean(work.error)) && resume > 0;
  return (
    <section aria-labelledby="import" className="self-start rounded-md border bg-surface-100">
      <h2 id="import" className="border-b px-4 py-2 text-sm font-medium">
        Import
      </h2>
      <div className="flex flex-col gap-3 p-4">
        <Field label="File" hint="JSON, CSV or BSON, of any size, packed with gzip or not.">
          {(control) => (
            <input
              {...control}
              type="file"
              accept=".json,.ndjson,.jsonl,.csv,.tsv,.bson,.gz"
              className="text-sm file:mr-3 file:rounded-md file:border file:border-line-strong file:bg-surface-200 file:px-2.5 file:py-1 file:text-xs file:text-text"
              onChange={(event) => choose(event.target.files?.[0])}
            />
          )}
        </Field>
        <Field label="Format">
          {(control) => (
            <Select
              {...control}
              value={format}
              onChange={(event) => setFormat(event.target.value as MongoFileFormat)}
            >
              {Object.entries(FORMATS).map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Documents">
          {(control) => (
            <Select
              {...control}
              value={mode}
              onChange={(event) => setMode(event.target.value as keyof typeof MODES)}
            >
              {Object.entries(MODES).map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {mode === "insert" ? null : (
          <Field
            label="Key"
            optional
            hint="Fields, separated by commas; _id otherwise. Without an index on them every row reads the collection."
          >
            {(control) => (
              <Input
                {...control}
                placeholder="_id"
                spellCheck={false}
                value={key}
                onChange={(event) => setKey(event.target.value)}
              />
            )}
          </Field>
        )}
        <div className="flex flex-col gap-2">
          {option("stop_on_error", "Stop at the first row that fails")}
          {option("bypass_validation", "Write what the validation rules refuse")}
          {format === "csv" ? option("ignore_blanks", "Leave fields out whose cell is empty") : null}
        </div>
        {work.running || progress ? (
          <ImportReport
            size={file?.size ?? 0}
            sent={bytesSent}
            progress={progress}
            failures={failures}
            running={work.running}
            collection={of.collection}
          />
        ) : null}
        {work.stopped ? (
          <p className="text-sm text-text-light">Stopped. What was written stays in the collection.</p>
        ) : null}
        {work.error ? <Failure error={work.error} /> : null}
        <div className="flex items-center gap-3">
          <RunButton running={work.running} onRun={() => start()} onStop={work.stop} disabled={!file}>
            Import{file ? ` ${bytes(file.size)}` : ""}
          </RunButton>
          {canGoOn ? <Button onClick={() => start(resume)}>Go on behind row {resume}</Button> : null}
        </div>
      </div>
    </section>
  );
}
