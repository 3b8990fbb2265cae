/** Pipelines: stage by stage with what each gives, or as a text; run, explained, kept as a view. */

import {
  keys,
  type MongoAggregation,
  type MongoExplanation,
  type MongoPreview,
  type MongoStagePreview,
  useExplainMongo,
  useMay,
  useMongoPreview,
  useRunMongoPipeline,
} from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { Ellipsis } from "lucide-react";
import { useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { Button, Checkbox, Confirm, Failure, Loading, Menu, type MenuItems, Select, Tabs, toast } from "@/ui";
import { type Exact, listOf, readExact } from "../exact";
import { Explained } from "../explain/explained";
import { RunButton, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { useWork } from "../use-work";
import { Results } from "./results";
import { StageList } from "./stage-list";
import { pipelineOf, type Stage, stage, stagesOf, textOf, writesTo } from "./stages";
import { TextPipeline } from "./text-pipeline";
import { CreateView } from "./view";

const SAMPLES = [1_000, 10_000, 100_000, 1_000_000];
const MOST_STAGES = 50;
/** What was built stays while the page is open, by collection. */
const kept = new Map<string, readonly Stage[]>();

export function Aggregation({ databaseId, databaseName, collection }: WorkProps) {
  const of = { databaseName, collection };
  const place = `${databaseId} ${databaseName}.${collection}`;
  const [stages, setStages] = useState<readonly Stage[]>(() => kept.get(place) ?? [stage("$match")]);
  const [asText, setAsText] = useState<string>();
  const [tab, setTab] = useState("stages");
  const [previews, setPreviews] = useState(true);
  const [sampleSize, setSampleSize] = useState(100_000);
  const [asking, setAsking] = useState(false);
  const [naming, setNaming] = useState(false);
  const may = useMay(databaseId);
  const queries = useQueryClient();
  const work = useWork();
  const run = useRunMongoPipeline(databaseId, readExact<MongoAggregation>);
  const explain = useExplainMongo(databaseId, readExact<MongoExplanation>);

  const pipeline = pipelineOf(stages);
  const settled = useDebounced(pipeline.text, 500);
  const preview = useMongoPreview(
    databaseId,
    { ...of, pipeline: settled },
    sampleSize,
    previews && asText === undefined && tab === "stages" && pipeline.ids.length <= MOST_STAGES,
    readExact<MongoPreview>,
  );
  const current = settled === pipeline.text ? preview.data : undefined;

  function change(next: readonly Stage[]) {
    kept.set(place, next);
    setStages(next);
  }

  /** The stages as they are meant now; undefined where something is wrong, which is said. */
  function meant(): readonly Stage[] | undefined {
    try {
      const now = asText === undefined ? stages : stagesOf(asText);
      const [problem] = pipelineOf(now).problems.values();
      if (problem) throw new Error(problem);
      if (asText !== undefined) change(now);
      return now;
    } catch (error) {
      toast.failed(error);
      return undefined;
    }
  }

  function start() {
    const now = meant();
    if (!now) return;
    if (writesTo(now, databaseName)) setAsking(true);
    else void execute(now);
  }

  function execute(now: readonly Stage[]) {
    setTab("results");
    const { text } = pipelineOf(now);
    return work.start(async (signal) => {
      const found = await run.mutateAsync({
        ...of,
        pipeline: text,
        limit: 100,
        allowDiskUse: true,
        maxTimeMs: 12_000,
        signal,
      });
      const { wrote } = found.data;
      if (!wrote) return;
      for (const about of ["collections", "stats", "documents"]) {
        const queryKey = keys.engine("mongodb", databaseId, about, wrote.database_name);
        void queries.invalidateQueries({ queryKey });
      }
    });
  }

  function showPlan() {
    const now = meant();
    if (!now) return;
    setTab("plan");
    const { text } = pipelineOf(now);
    void work.start(async (signal) => {
      await explain.mutateAsync({
        ...of,
        operation: "aggregate",
        filter: "",
        projection: "",
        sort: "",
        pipeline: text,
        verbosity: "executionStats",
        signal,
      });
    });
  }

  function changeMode(mode: string) {
    if (mode === "text") {
      try {
        setAsText(textOf(stages));
        setTab("stages");
      } catch (error) {
        toast.failed(error);
      }
    } else if (meant()) setAsText(undefined);
  }

  // Writing stages ask for what creating documents asks for.
  const mayWrite = may("mongodb.document.insert");
  const menu: MenuItems = [
    {
      label: "Copy the pipeline",
      onSelect: () => {
        const now = meant();
        if (now) navigator.clipboard.writeText(textOf(now)).then(() => toast.done("Copied."), toast.failed);
      },
    },
    ...(may("mongodb.collection.create")
      ? [{ label: "Create a view…", onSelect: () => meant() && setNaming(true) }]
      : []),
    null,
    {
      label: "Remove all stages",
      danger: true,
      onSelect: () => {
        change([stage("$match")]);
        setAsText(undefined);
      },
    },
  ];

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <Select
          aria-label="How the pipeline is written"
          className="!h-7 !w-28 !text-xs"
          value={asText === undefined ? "stages" : "text"}
          onChange={(event) => changeMode(event.target.value)}
        >
          <option value="stages">Stages</option>
          <option value="text">Text</option>
        </Select>
        {asText === undefined ? (
          <>
            <Checkbox
              className="!text-xs"
              label="Previews"
              checked={previews}
              onChange={(event) => setPreviews(event.target.checked)}
            />
            <Select
              aria-label="Documents that previews let in"
              className="!h-7 !w-44 !text-xs"
              disabled={!previews}
              value={sampleSize}
              onChange={(event) => setSampleSize(Number(event.target.value))}
            >
              {SAMPLES.map((size) => (
                <option key={size} value={size}>
                  {size.toLocaleString("en")} documents
                </option>
              ))}
            </Select>
            {preview.isFetching && previews ? (
              <Loading className="!p-0">
                <span className="max-lg:sr-only">Previewing…</span>
              </Loading>
            ) : null}
          </>
        ) : null}
        <div className="flex-1" />
        {collection ? <Button onClick={showPlan}>Explain</Button> : null}
        <RunButton running={work.running} onRun={start} onStop={work.stop}>
          Run
        </RunButton>
        <Menu
          trigger={
            <Button kind="text" aria-label="More" className="!px-1.5">
              <Ellipsis size={16} aria-hidden />
            </Button>
          }
          items={menu}
        />
      </Toolbar>
      <Tabs
        label="Pipeline"
        className="flex-1"
        value={tab}
        onChange={setTab}
        tabs={[
          {
            value: "stages",
            label: "Pipeline",
            content:
              asText === undefined ? (
                <StageList
                  databaseId={databaseId}
                  of={of}
                  stages={stages}
                  pipeline={pipeline}
                  mayWrite={mayWrite}
                  input={previewOf(current, -1)}
                  previewOf={(id) => {
                    const index = pipeline.ids.indexOf(id);
                    return index < 0 ? undefined : previewOf(current, index);
                  }}
                  failure={previews && preview.isError ? preview.error : undefined}
                  onChange={change}
                  onSubmit={start}
                />
              ) : (
                <TextPipeline
                  databaseId={databaseId}
                  of={of}
                  text={asText}
                  onChange={setAsText}
                  onSubmit={start}
                />
              ),
          },
          {
            value: "results",
            label: "Results",
            content: <Results work={work} found={run.data} isPending={run.isPending} onRun={start} />,
          },
          ...(collection
            ? [
                {
                  value: "plan",
                  label: "Plan",
                  content: (
                    <div className="h-full overflow-y-auto p-4">
                      {explain.isPending ? <Loading>Explaining…</Loading> : null}
                      {work.error && tab === "plan" ? (
                        <Failure error={work.error} onRetry={showPlan} />
                      ) : null}
                      {explain.data && !explain.isPending ? (
                        <Explained databaseId={databaseId} of={of} found={explain.data} />
                      ) : null}
                      {explain.isIdle ? <Button onClick={showPlan}>Explain the pipeline</Button> : null}
                    </div>
                  ),
                },
              ]
            : []),
        ]}
      />
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title="This pipeline writes"
        action="Run and write"
        onConfirm={() => {
          void execute(stages);
          return Promise.resolve();
        }}
      >
        {asking ? <Writes into={writesTo(stages, databaseName)} /> : null}
      </Confirm>
      {naming ? (
        <CreateView
          databaseId={databaseId}
          of={of}
          pipeline={pipeline.text}
          onClose={() => setNaming(false)}
        />
      ) : null}
    </div>
  );
}

/** What a writing pipeline does with what is there. */
function Writes({ into }: { into: ReturnType<typeof writesTo> }) {
  if (!into) return null;
  return (
    <p>
      <code className="font-mono text-text">{into.stage}</code> writes what comes out into{" "}
      <code className="font-mono text-text">{into.target}</code>.{" "}
      {into.stage === "$out"
        ? "Whatever that collection holds now is replaced."
        : "Documents that are there are changed as the stage says."}
    </p>
  );
}

/** What a preview tells of a stage, by its place in the pipeline; -1 is the input. */
function previewOf(
  found: Exact<MongoPreview> | undefined,
  index: number,
): Exact<MongoStagePreview> | undefined {
  const at = found?.data.stages.findIndex((each) => each.index === index) ?? -1;
  const data = found?.data.stages[at];
  const node = found && listOf(found.node, "stages")[at];
  return data && node ? { data, node } : undefined;
}
