/** The rules that documents of a collection must keep: read, propose, test, set. */

import {
  type MongoValidation,
  type MongoValidationTest,
  testMongoValidation,
  useClient,
  useMay,
  useMongoValidation,
  useProposeMongoValidation,
  useSetMongoValidation,
} from "@studio-databases/client/react";
import { useState } from "react";
import { get } from "@/lib/ejson";
import { Button, Checkbox, Code, Confirm, Failure, Field, Loading, Select, toast } from "@/ui";
import { type Exact, hasContent, problemOf, readExact, sent, shown } from "../exact";
import { RunButton, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { useWork } from "../use-work";
import { Broken } from "./broken";

const LEVELS = {
  strict: "All documents",
  moderate: "Only documents that keep them already",
  off: "None",
} as const;
const ACTIONS = {
  error: "Refuse the write",
  warn: "Write, and note it in the server's log",
  errorAndLog: "Refuse, and note it in the log",
} as const;
/** Documents that break rules in the page at most. */
const MOST_SAMPLES = 100;

export function Validation(props: WorkProps) {
  const found = useMongoValidation(props.databaseId, props, readExact<MongoValidation>);
  if (found.isPending) return <Loading>Loading the rules…</Loading>;
  if (found.isError) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  return <Rules {...props} found={found.data} />;
}

function Rules({
  databaseId,
  databaseName,
  collection,
  found,
}: WorkProps & { found: Exact<MongoValidation> }) {
  const of = { databaseName, collection };
  const client = useClient();
  const may = useMay(databaseId);
  const stored = get(found.node, "validator");
  const [text, setText] = useState(hasContent(stored) ? shown(stored) : "");
  const [level, setLevel] = useState((found.data.level || "strict") as keyof typeof LEVELS);
  const [action, setAction] = useState((found.data.action || "error") as keyof typeof ACTIONS);
  const [strictness, setStrictness] = useState({ withBounds: false, noOtherFields: false });
  const [result, setResult] = useState<MongoValidationTest>();
  const [saving, setSaving] = useState(false);
  const propose = useProposeMongoValidation(databaseId, of, readExact<Pick<MongoValidation, "validator">>);
  const set = useSetMongoValidation(databaseId, of);
  const work = useWork();
  const problem = problemOf(text);
  const maySet = may("mongodb.validation.set");

  function test(resume = "") {
    setResult(undefined);
    void work.start(async (signal) => {
      let samples: MongoValidationTest["samples"] = [];
      const rules = { ...of, validator: sent(text) || "{}", resume };
      for await (const event of testMongoValidation(client, databaseId, rules, signal)) {
        samples = [...samples, ...event.samples].slice(0, MOST_SAMPLES);
        setResult({ ...event, samples });
      }
    });
  }

  function suggest() {
    propose.mutate(strictness, {
      onSuccess: (answer) => {
        const validator = get(answer.node, "validator");
        if (validator) setText(shown(validator));
      },
      onError: toast.failed,
    });
  }

  const option = (name: keyof typeof strictness, label: string) => (
    <Checkbox
      className="!text-xs"
      label={label}
      checked={strictness[name]}
      onChange={(event) => setStrictness({ ...strictness, [name]: event.target.checked })}
    />
  );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <Button loading={propose.isPending} onClick={suggest}>
          Propose from a sample
        </Button>
        {option("withBounds", "with bounds")}
        {option("noOtherFields", "no other fields")}
        <div className="flex-1" />
        <RunButton running={work.running} onRun={() => test()} onStop={work.stop} disabled={Boolean(problem)}>
          Test
        </RunButton>
        {maySet ? (
          <Button disabled={Boolean(problem)} onClick={() => setSaving(true)}>
            Set the rules…
          </Button>
        ) : null}
      </Toolbar>
      <div className="grid min-h-0 flex-1 grid-cols-1 gap-4 overflow-y-auto p-4 lg:grid-cols-2 lg:grid-rows-[minmax(0,1fr)] lg:overflow-hidden">
        <div className="flex min-h-96 flex-col gap-3">
          <Code
            label="Validation rules"
            className="min-h-72 flex-1"
            language="json"
            lint={false}
            readOnly={!maySet && !may("mongodb.validation.test")}
            placeholder={'No rules. { $jsonSchema: { bsonType: "object", required: ["name"] } }'}
            value={text}
            onChange={setText}
            onSubmit={() => test()}
          />
          {problem ? (
            <p role="alert" className="text-xs text-danger">
              {problem}
            </p>
          ) : null}
          <div className="grid grid-cols-1 gap-3 sm:grid-cols-2">
            <Field label="They hold for writes of">
              {(control) => (
                <Select
                  {...control}
                  disabled={!maySet}
                  value={level}
                  onChange={(event) => setLevel(event.target.value as keyof typeof LEVELS)}
                >
                  {Object.entries(LEVELS).map(([value, label]) => (
                    <option key={value} value={value}>
                      {label}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <Field label="What breaks them">
              {(control) => (
                <Select
                  {...control}
                  disabled={!maySet}
                  value={action}
                  onChange={(event) => setAction(event.target.value as keyof typeof ACTIONS)}
                >
                  {Object.entries(ACTIONS).map(([value, label]) => (
                    <option key={value} value={value}>
                      {label}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          </div>
        </div>
        <Broken work={work} result={result} onGoOn={result?.resume ? () => test(result.resume) : undefined} />
      </div>
      <Confirm
        open={saving}
        onOpenChange={setSaving}
        title={text.trim() ? "Set these rules?" : "Take the rules away?"}
        action={text.trim() ? "Set" : "Take away"}
        onConfirm={async () => {
          await set.mutateAsync({ validator: sent(text) || "{}", level, action });
          toast.done("The rules are set.");
        }}
      >
        <p>
          Documents that are there already stay as they are. From now on{" "}
          {action === "warn"
            ? "writes that break the rules are noted in the server's log."
            : "writes that break the rules are refused."}{" "}
          Test the rules first to see what breaks them.
        </p>
      </Confirm>
    </div>
  );
}
