/** Work on many keys: choose them, see what that means, then do it. */

import {
  blobId,
  type Database,
  type RedisJob,
  type RedisProgress,
  useClient,
  useMay,
  workOnRedis,
} from "@studio-databases/client/react";
import { useState } from "react";
import { isMarked } from "@/lib/engines";
import { Button, Empty } from "@/ui";
import { Bytes } from "../../name";
import { typeName } from "../../type-badge";
import { Scroll } from "../scroll";
import { inWords, selectionOf } from "../selection";
import { SelectionFields } from "../selection-fields";
import { useChoice } from "../use-choice";
import { useRun } from "../use-run";
import { WorkProgress } from "../work-progress";
import { Action } from "./action";
import { ACTIONS, type Plan } from "./plan";

export default function BulkWork({ database }: { database: Database }) {
  const client = useClient();
  const allowed = useMay(database.id);
  const mayChange = (action: string) => allowed(action) && !isMarked(database, "readonly");
  const [choice, setChoice] = useChoice();
  const [preview, setPreview] = useState<RedisProgress>();
  /** The selection that the preview is of. */
  const [previewed, setPreviewed] = useState("");
  const [plan, setPlan] = useState<Plan>();
  const [progress, setProgress] = useState<RedisProgress>();
  const [doneTotal, setDoneTotal] = useState<number>();
  // The sample comes once; later events don't repeat it.
  const previewRun = useRun<RedisProgress>((event) =>
    setPreview((before) => ({
      ...event,
      sample: event.sample.length > 0 ? event.sample : (before?.sample ?? []),
    })),
  );
  const workRun = useRun<RedisProgress>(setProgress);

  const selection = selectionOf(choice);
  const isChosen = typeof selection === "object";
  const words = isChosen ? inWords(selection, typeName) : "";
  const isCurrent = isChosen && previewed === JSON.stringify(selection);
  const isWorking = workRun.status === "running";

  function look() {
    if (!isChosen) return;
    setPreview(undefined);
    setProgress(undefined);
    setPlan(undefined);
    workRun.stop();
    setPreviewed(JSON.stringify(selection));
    const job: RedisJob = { work: "bulk/preview", body: { selection, with_memory: true } };
    previewRun.start((signal) => workOnRedis(client, database.id, job, signal));
  }

  function begin(next: Plan, resume = "") {
    if (resume === "") {
      setProgress(undefined);
      setDoneTotal(previewRun.status === "done" ? preview?.matched : undefined);
    }
    previewRun.stop();
    setPlan(next);
    const job = { ...next.job, body: { ...next.job.body, resume } } as RedisJob;
    workRun.start((signal) => workOnRedis(client, database.id, job, signal));
  }

  return (
    <div className="flex min-h-0 flex-1 max-lg:flex-col max-lg:overflow-y-auto">
      <aside
        aria-label="Selection and action"
        className="flex w-96 shrink-0 flex-col gap-4 overflow-y-auto border-r p-4 max-lg:w-full max-lg:overflow-visible max-lg:border-r-0 max-lg:border-b"
      >
        <form
          className="flex flex-col gap-3"
          onSubmit={(event) => {
            event.preventDefault();
            look();
          }}
        >
          <SelectionFields choice={choice} onChange={setChoice} disabled={isWorking} />
          <Button
            type="submit"
            kind={isCurrent ? "default" : "primary"}
            className="self-start"
            disabled={!isChosen || isWorking}
            loading={previewRun.status === "running"}
          >
            {isCurrent ? "Preview again" : "Preview"}
          </Button>
          {isChosen ? null : <p className="text-xs text-text-muted">{selection}</p>}
        </form>
        {isChosen && isCurrent ? (
          <Action
            database={database}
            may={mayChange}
            selection={selection}
            words={words}
            matched={preview?.matched ?? 0}
            memoryBytes={preview?.memory_bytes ?? -1}
            isAll={previewRun.status === "done"}
            isWorking={isWorking}
            onBegin={begin}
          />
        ) : null}
      </aside>
      <div className="flex min-w-0 flex-1 flex-col gap-4 overflow-y-auto p-4">
        {previewRun.status === "idle" && workRun.status === "idle" ? (
          <Empty title="Choose keys and look at them first.">
            The preview counts the keys and their memory and changes nothing.
            {ACTIONS.some((each) => mayChange(each.needs))
              ? " Then delete them, let them expire, or copy them to another Redis."
              : ""}
          </Empty>
        ) : null}
        {plan ? (
          <WorkProgress
            title={plan.title}
            run={workRun}
            progress={progress}
            done={plan.done}
            total={doneTotal}
            onResume={() => begin(plan, progress?.resume)}
          />
        ) : null}
        <WorkProgress title="Preview" run={previewRun} progress={preview} />
        {preview && preview.sample.length > 0 ? (
          <section aria-labelledby="sample" className="rounded-md border bg-surface-100">
            <h2 id="sample" className="border-b px-4 py-2 text-sm font-medium">
              Some of them
            </h2>
            <Scroll label="Some of the keys" className="max-h-80 px-4 py-2">
              <ul>
                {preview.sample.map((key) => (
                  <li key={blobId(key)} className="truncate py-0.5">
                    <Bytes blob={key} />
                  </li>
                ))}
              </ul>
            </Scroll>
          </section>
        ) : null}
      </div>
    </div>
  );
}
