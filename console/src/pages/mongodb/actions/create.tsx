/** The panel that makes a collection, a time series or a view; a database comes with its first collection. */

import { ExactJson } from "@studio-databases/client";
import {
  type CreateMongoCollection,
  useCreateMongoCollection,
  useCreateMongoDatabase,
} from "@studio-databases/client/react";
import { useState } from "react";
import { parse, write } from "@/lib/ejson";
import { Button, Code, Failure, Field, Input, Select, SidePanel, toast } from "@/ui";

const KINDS = [
  ["collection", "Collection"],
  ["capped", "Capped collection: the newest documents alone"],
  ["timeseries", "Time series: measurements over time"],
  ["view", "View: what a pipeline makes of a collection"],
] as const;
type Kind = (typeof KINDS)[number][0];

const BYTES_A_MIB = 1024 * 1024;

interface Form {
  database: string;
  name: string;
  kind: Kind;
  mib: string;
  most: string;
  timeField: string;
  metaField: string;
  granularity: "seconds" | "minutes" | "hours";
  expires: string;
  source: string;
  pipeline: string;
}

export function CreateCollection({
  databaseId,
  databaseName,
  onClose,
  onDone,
}: {
  databaseId: string;
  /** Undefined for a new database. */
  databaseName: string | undefined;
  onClose: () => void;
  onDone: (choice: { db: string; collection: string }) => void;
}) {
  const [form, setForm] = useState<Form>({
    database: databaseName ?? "",
    name: "",
    kind: "collection",
    mib: "100",
    most: "",
    timeField: "",
    metaField: "",
    granularity: "seconds",
    expires: "",
    source: "",
    pipeline: "[]",
  });
  const inDatabase = useCreateMongoCollection(databaseId);
  const withDatabase = useCreateMongoDatabase(databaseId);
  const make = databaseName === undefined ? withDatabase : inDatabase;
  const [wrong, setWrong] = useState<string>();
  const set = (change: Partial<Form>) => setForm((before) => ({ ...before, ...change }));

  async function run() {
    setWrong(undefined);
    let body: CreateMongoCollection;
    try {
      body = bodyOf(form);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
      return;
    }
    try {
      await make.mutateAsync(body);
      toast.done(`${form.name} is there.`);
      onDone({ db: form.database, collection: form.name });
      onClose();
    } catch {
      // Shown below.
    }
  }

  const text = (label: string, name: "database" | "name" | "timeField" | "source", hint?: string) => (
    <Field label={label} hint={hint}>
      {(control) => (
        <Input
          {...control}
          required
          autoComplete="off"
          value={form[name]}
          onChange={(event) => set({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
  const optional = (label: string, name: "most" | "metaField" | "expires" | "mib", numeric: boolean) => (
    <Field label={label} optional={name !== "mib"}>
      {(control) => (
        <Input
          {...control}
          inputMode={numeric ? "numeric" : "text"}
          pattern={numeric ? "[0-9]*" : undefined}
          autoComplete="off"
          required={name === "mib"}
          value={form[name]}
          onChange={(event) => set({ [name]: event.target.value })}
        />
      )}
    </Field>
  );

  return (
    <SidePanel
      open
      onOpenChange={onClose}
      title={databaseName === undefined ? "Create a database" : `Create a collection in ${databaseName}`}
      description={databaseName === undefined ? "A database begins with its first collection." : undefined}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="create-collection" loading={make.isPending}>
            Create
          </Button>
        </>
      }
    >
      <form
        id="create-collection"
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        {databaseName === undefined ? text("Database", "database") : null}
        {text(form.kind === "view" ? "Name of the view" : "Name of the collection", "name")}
        <Field label="Kind">
          {(control) => (
            <Select
              {...control}
              value={form.kind}
              onChange={(event) => set({ kind: event.target.value as Kind })}
            >
              {KINDS.map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {form.kind === "capped" ? (
          <>
            {optional("Size in MiB", "mib", true)}
            {optional("Documents at most", "most", true)}
          </>
        ) : null}
        {form.kind === "timeseries" ? (
          <>
            {text("Field with the time", "timeField", "Each measurement has a date there.")}
            {optional("Field that tells series apart", "metaField", false)}
            <Field label="Measurements of a series come about every">
              {(control) => (
                <Select
                  {...control}
                  value={form.granularity}
                  onChange={(event) => set({ granularity: event.target.value as Form["granularity"] })}
                >
                  <option value="seconds">few seconds</option>
                  <option value="minutes">few minutes</option>
                  <option value="hours">few hours</option>
                </Select>
              )}
            </Field>
            {optional("Seconds after which they go", "expires", true)}
          </>
        ) : null}
        {form.kind === "view" ? (
          <>
            {text("Collection or view that it shows", "source")}
            <Field label="Pipeline">
              {() => (
                <Code
                  label="Pipeline"
                  language="json"
                  lint={false}
                  className="h-48"
                  value={form.pipeline}
                  onChange={(pipeline) => set({ pipeline })}
                />
              )}
            </Field>
          </>
        ) : null}
        {wrong ? <Failure error={wrong} /> : null}
        {make.error ? <Failure error={make.error} /> : null}
      </form>
    </SidePanel>
  );
}

function bodyOf(form: Form): CreateMongoCollection {
  const base = { database_name: form.database, collection: form.name };
  switch (form.kind) {
    case "capped":
      return { ...base, capped: true, size: Number(form.mib) * BYTES_A_MIB, max: Number(form.most) };
    case "timeseries":
      return {
        ...base,
        timeseries: {
          time_field: form.timeField,
          meta_field: form.metaField,
          granularity: form.granularity,
        },
        ...(form.expires ? { expire_after_seconds: Number(form.expires) } : {}),
      };
    case "view":
      return { ...base, view_on: form.source, pipeline: new ExactJson(write(parse(form.pipeline, true))) };
    default:
      return base;
  }
}
