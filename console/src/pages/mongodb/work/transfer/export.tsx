import {
  exportMongoDocuments,
  type MongoFileFormat,
  type MongoNamespace,
  useClient,
} from "@studio-databases/client/react";
import { useState } from "react";
import { saveStream } from "@/lib/download";
import { bytes } from "@/lib/format";
import { Checkbox, Code, Failure, Field, Input, Progress, Select, toast } from "@/ui";
import { useCompletion } from "../complete";
import { problemOf, sent } from "../exact";
import { RunButton } from "../parts";
import { useWork } from "../use-work";
import { FORMATS, watched } from "./file";

const TEXTS = [
  { name: "filter", label: "Filter", example: '{ status: "open" }' },
  { name: "projection", label: "Projection", example: "{ status: 1 }" },
  { name: "sort", label: "Sort", example: "In the order of _id" },
] as const;

/** Streams the documents that match to a file of the user's. */
export function Export({ databaseId, of }: { databaseId: string; of: MongoNamespace }) {
  const [format, setFormat] = useState<MongoFileFormat>("ndjson");
  const [texts, setTexts] = useState({ filter: "", projection: "", sort: "" });
  const [options, setOptions] = useState({ canonical: true, gzip: false, guardFormulas: true });
  const [limit, setLimit] = useState("");
  const [fields, setFields] = useState("");
  const [come, setCome] = useState(0);
  const client = useClient();
  const work = useWork();
  const complete = useCompletion(databaseId, of);
  const isJson = format === "json" || format === "ndjson";
  const limitIsWrong = !/^\d{0,15}$/.test(limit);
  const isWrong = limitIsWrong || TEXTS.some(({ name }) => problemOf(texts[name]));

  function start() {
    setCome(0);
    void work.start(async (signal) => {
      const query = {
        ...of,
        format,
        filter: sent(texts.filter),
        projection: sent(texts.projection),
        sort: sent(texts.sort),
        limit: Number(limit),
        ejson: options.canonical ? ("canonical" as const) : ("relaxed" as const),
        gzip: options.gzip,
        fields: format === "csv" ? fields.split(",").flatMap((each) => each.trim() || []) : [],
        guardFormulas: format === "csv" && options.guardFormulas,
      };
      const { response, failure } = watched(
        await exportMongoDocuments(client, databaseId, query, signal),
        options.gzip,
      );
      await saveStream(response, `${of.collection}.${format}${options.gzip ? ".gz" : ""}`, setCome);
      const wrong = await failure;
      if (wrong) throw new Error(`The file is not whole: ${wrong}`);
      toast.done("Exported.");
    });
  }

  const option = (name: keyof typeof options, label: string) => (
    <Checkbox
      label={label}
      checked={options[name]}
      onChange={(event) => setOptions({ ...options, [name]: event.target.checked })}
    />
  );
  return (
    <section aria-labelledby="export" className="self-start rounded-md border bg-surface-100">
      <h2 id="export" className="border-b px-4 py-2 text-sm font-medium">
        Export
      </h2>
      <div className="flex flex-col gap-3 p-4">
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
        {TEXTS.map(({ name, label, example }) => (
          <Field key={name} label={label} optional error={problemOf(texts[name]) || undefined}>
            {() => (
              <Code
                label={`${label} of the export`}
                className="h-9"
                language="json"
                lint={false}
                singleLine
                placeholder={example}
                value={texts[name]}
                complete={complete}
                onChange={(text) => setTexts((now) => ({ ...now, [name]: text }))}
              />
            )}
          </Field>
        ))}
        <Field
          label="Documents at most"
          optional
          error={limitIsWrong ? "This must be a whole number." : undefined}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              placeholder="all"
              value={limit}
              onChange={(event) => setLimit(event.target.value)}
            />
          )}
        </Field>
        {format === "csv" ? (
          <Field
            label="Columns"
            optional
            hint="Separated by commas; those of the first 1,000 documents otherwise."
          >
            {(control) => (
              <Input
                {...control}
                placeholder="_id, name, address.city"
                spellCheck={false}
                value={fields}
                onChange={(event) => setFields(event.target.value)}
              />
            )}
          </Field>
        ) : null}
        <div className="flex flex-col gap-2">
          {isJson ? option("canonical", "Keep every type (canonical Extended JSON)") : null}
          {format === "csv" ? option("guardFormulas", "Guard against formulas in spreadsheets") : null}
          {option("gzip", "Pack with gzip")}
        </div>
        {work.running ? (
          <div role="status">
            <Progress label="Export" />
            <p className="mt-1 text-xs text-text-light">{bytes(come)} have come</p>
          </div>
        ) : null}
        {work.stopped ? <p className="text-sm text-text-light">Stopped after {bytes(come)}.</p> : null}
        {work.error ? <Failure error={work.error} /> : null}
        <div>
          <RunButton running={work.running} onRun={start} onStop={work.stop} disabled={isWrong}>
            Export
          </RunButton>
        </div>
      </div>
    </section>
  );
}
