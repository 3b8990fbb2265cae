/** What the documents of a collection look like, by a random sample. */

import { analyzeMongoSchema, type MongoSchemaProgress, useClient } from "@studio-databases/client/react";
import { useState } from "react";
import { count, duration } from "@/lib/format";
import { Badge, Code, Empty, Failure, Input, Progress, Select } from "@/ui";
import { useCompletion } from "../complete";
import { problemOf, sent } from "../exact";
import { RunButton, Scroll, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { useWork } from "../use-work";
import { FieldDetails } from "./details";
import { FieldList } from "./fields";

const SIZES = [100, 1_000, 10_000];

export function Schema({ databaseId, databaseName, collection }: WorkProps) {
  const of = { databaseName, collection };
  const client = useClient();
  const work = useWork();
  const complete = useCompletion(databaseId, of);
  const [filter, setFilter] = useState("");
  const [sampleSize, setSampleSize] = useState(1_000);
  const [found, setFound] = useState<MongoSchemaProgress>();
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState<string>();
  const problem = problemOf(filter);

  function analyze() {
    if (problem) return;
    setFound(undefined);
    void work.start(async (signal) => {
      const query = { ...of, filter: sent(filter), sampleSize };
      for await (const event of analyzeMongoSchema(client, databaseId, query, signal)) setFound(event);
    });
  }

  const fields = (found?.fields ?? []).filter((each) =>
    each.path.toLowerCase().includes(search.toLowerCase()),
  );
  const field = fields.find((each) => each.path === chosen) ?? fields[0];
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <Code
          label="Filter of the sample"
          className="h-8 min-w-64 flex-1"
          language="json"
          lint={false}
          singleLine
          placeholder="All documents, or a filter: { status: 'open' }"
          value={filter}
          complete={complete}
          onChange={setFilter}
          onSubmit={analyze}
        />
        <Select
          aria-label="Size of the sample"
          className="!h-7 !w-44 !text-xs"
          value={sampleSize}
          onChange={(event) => setSampleSize(Number(event.target.value))}
        >
          {SIZES.map((size) => (
            <option key={size} value={size}>
              {count(size)} documents
            </option>
          ))}
        </Select>
        <RunButton running={work.running} onRun={analyze} onStop={work.stop} disabled={Boolean(problem)}>
          Analyse
        </RunButton>
      </Toolbar>
      {problem ? (
        <p role="alert" className="px-4 py-1 text-xs text-danger">
          {problem}
        </p>
      ) : null}
      {work.running ? (
        <div role="status" className="border-b px-4 py-2">
          <Progress label="Analysis" value={found ? found.analyzed / sampleSize : undefined} />
          <p className="mt-1 text-xs text-text-light">{count(found?.analyzed ?? 0)} documents read</p>
        </div>
      ) : null}
      {work.error ? <Failure className="m-4" error={work.error} onRetry={analyze} /> : null}
      {found?.done ? (
        <>
          <div className="flex min-h-0 flex-1">
            <aside aria-label="Fields" className="flex w-[26rem] max-w-[50%] shrink-0 flex-col border-r">
              <div className="border-b p-2">
                <Input
                  aria-label="Search fields"
                  placeholder="Search fields"
                  className="!h-8"
                  value={search}
                  onChange={(event) => setSearch(event.target.value)}
                />
              </div>
              <FieldList fields={fields} chosen={field?.path} onChoose={setChosen} />
            </aside>
            <Scroll label="Field" className="min-w-0 flex-1 p-4">
              {field ? <FieldDetails field={field} /> : <Empty title="No fields." />}
            </Scroll>
          </div>
          <p role="status" className="flex items-center gap-2 border-t px-4 py-1.5 text-xs text-text-light">
            {count(found.analyzed)} documents
            {found.total_estimate >= 0 ? ` of ~${count(found.total_estimate)}` : ""} in{" "}
            {duration(found.elapsed_ms)}
            {found.truncated ? (
              <Badge tone="warning">a part: a bound of time, depth or fields was reached</Badge>
            ) : null}
          </p>
        </>
      ) : null}
      {!found && !work.running && !work.error ? (
        <Empty title={work.stopped ? "Stopped." : "See which fields the documents have."}>
          A random sample tells their types, how often they are there, and their values.
        </Empty>
      ) : null}
    </div>
  );
}
