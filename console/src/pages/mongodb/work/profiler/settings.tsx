import { type MongoProfiler, useSetMongoProfiler } from "@studio-databases/client/react";
import { useState } from "react";
import { Button, Code, Failure, Field, Input, Select, SidePanel, toast } from "@/ui";
import { problemOf, sent } from "../exact";

const LEVELS = ["Nothing", "What is slow, or matches a filter", "Every operation"];

/** What a database records from now on. */
export function ProfilerSettings({
  databaseId,
  state,
  onClose,
}: {
  databaseId: string;
  state: MongoProfiler;
  onClose: () => void;
}) {
  const [level, setLevel] = useState(state.level);
  const [slow, setSlow] = useState(String(state.slow_ms));
  const [percent, setPercent] = useState(String(Math.round(state.sample_rate * 10_000) / 100));
  const [filter, setFilter] = useState(state.filter);
  const set = useSetMongoProfiler(databaseId, state.database_name);
  const slowIsWrong = !/^-?\d{1,9}$/.test(slow);
  const part = Number(percent);
  const partIsWrong = percent.trim() === "" || !(part >= 0 && part <= 100);
  const filterIsWrong = problemOf(filter);

  function save() {
    set.mutate(
      {
        level,
        ...(Number(slow) === state.slow_ms ? {} : { slow_ms: Number(slow) }),
        ...(part / 100 === state.sample_rate ? {} : { sample_rate: part / 100 }),
        ...(filter === state.filter ? {} : { filter: sent(filter) }),
      },
      {
        onSuccess: () => {
          toast.done("The profiler is set.");
          onClose();
        },
      },
    );
  }

  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title="What is recorded"
      description={`Of the operations of ${state.database_name}`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            loading={set.isPending}
            disabled={slowIsWrong || partIsWrong || Boolean(filterIsWrong)}
            onClick={save}
          >
            Set
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <Field
          label="Record"
          hint={level === 2 ? "This slows the database down; do it for a while only." : undefined}
        >
          {(control) => (
            <Select {...control} value={level} onChange={(event) => setLevel(Number(event.target.value))}>
              {LEVELS.map((label, value) => (
                <option key={label} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field
          label="Slow is what takes, in milliseconds"
          hint="Of the whole server: it also says what its log has of slow operations."
          error={slowIsWrong ? "This must be a whole number." : undefined}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              value={slow}
              onChange={(event) => setSlow(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Of what is slow, record in percent"
          hint="Of the whole server, too."
          error={partIsWrong ? "This must be a number from 0 to 100." : undefined}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="decimal"
              value={percent}
              onChange={(event) => setPercent(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Record what matches, instead of what is slow"
          optional
          hint="A query over the entries, such as { op: 'query', docsExamined: { $gt: 1000 } }."
          error={filterIsWrong || undefined}
        >
          {() => (
            <Code
              label="Filter of the profiler"
              className="h-20"
              language="json"
              lint={false}
              value={filter}
              onChange={setFilter}
            />
          )}
        </Field>
        {set.isError ? <Failure error={set.error} /> : null}
      </div>
    </SidePanel>
  );
}
