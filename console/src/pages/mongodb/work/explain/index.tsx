/** How the server would run a query: what is asked above, the answer below. */

import { type MongoExplanation, useExplainMongo } from "@studio-databases/client/react";
import { useState } from "react";
import { Code, Empty, Failure, Field, Loading, Select } from "@/ui";
import { useCompletion } from "../complete";
import { problemOf, readExact, sent } from "../exact";
import { RunButton, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { useWork } from "../use-work";
import { Explained } from "./explained";

const VERBOSITY = {
  executionStats: "Run it and count",
  queryPlanner: "Plan only",
  allPlansExecution: "Try all plans",
} as const;

export function Explain({ databaseId, databaseName, collection }: WorkProps) {
  const of = { databaseName, collection };
  const [query, setQuery] = useState({ filter: "", projection: "", sort: "" });
  const [verbosity, setVerbosity] = useState<keyof typeof VERBOSITY>("executionStats");
  const work = useWork();
  const explain = useExplainMongo(databaseId, readExact<MongoExplanation>);
  const complete = useCompletion(databaseId, of);
  const fields = [
    { name: "filter", label: "Filter", example: '{ status: "open" }' },
    { name: "sort", label: "Sort", example: "{ created: -1 }" },
    { name: "projection", label: "Projection", example: "{ status: 1 }" },
  ] as const;
  const isWrong = fields.some(({ name }) => problemOf(query[name]));

  function run() {
    if (isWrong) return;
    void work.start(async (signal) => {
      await explain.mutateAsync({
        ...of,
        operation: "find",
        filter: sent(query.filter),
        projection: sent(query.projection),
        sort: sent(query.sort),
        pipeline: "",
        verbosity,
        signal,
      });
    });
  }

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <Select
          aria-label="How much to find out"
          className="!h-7 !w-44 !text-xs"
          value={verbosity}
          onChange={(event) => setVerbosity(event.target.value as keyof typeof VERBOSITY)}
        >
          {Object.entries(VERBOSITY).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <span className="text-xs text-text-muted">
          Nothing is changed. Pipelines are explained where they are built.
        </span>
        <div className="flex-1" />
        <RunButton running={work.running} onRun={run} onStop={work.stop} disabled={isWrong}>
          Explain
        </RunButton>
      </Toolbar>
      <div className="min-h-0 flex-1 overflow-y-auto p-4">
        <div className="mb-4 grid grid-cols-1 gap-3 lg:grid-cols-3">
          {fields.map(({ name, label, example }) => (
            <Field key={name} label={label} optional error={problemOf(query[name]) || undefined}>
              {() => (
                <Code
                  label={label}
                  language="json"
                  lint={false}
                  className="h-20"
                  placeholder={example}
                  value={query[name]}
                  complete={complete}
                  onChange={(text) => setQuery((now) => ({ ...now, [name]: text }))}
                  onSubmit={run}
                />
              )}
            </Field>
          ))}
        </div>
        {work.running ? <Loading>Explaining…</Loading> : null}
        {work.error ? <Failure error={work.error} onRetry={run} /> : null}
        {explain.data && !work.running && !work.error ? (
          <Explained databaseId={databaseId} of={of} found={explain.data} />
        ) : null}
        {explain.isIdle ? (
          <Empty title="Ask how the server runs a query.">
            It tells which index serves it, how much it reads, and what would make it faster.
          </Empty>
        ) : null}
      </div>
    </div>
  );
}
