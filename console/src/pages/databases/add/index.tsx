/** Registers a database. */

import { ApiError } from "@studio-databases/client";
import { useCreateDatabase, useTestConnection } from "@studio-databases/client/react";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { projectRef } from "@/app/place";
import { DiagnosisView } from "@/lib/diagnosis";
import { TestButton } from "@/lib/test-button";
import { Button, Checkbox, Failure, Field, Input, SidePanel, TextArea, toast } from "@/ui";
import { Connection } from "./connection";
import { toCreate, toTest, useDraft } from "./state";
import { Stored } from "./stored";
import { TypeCards } from "./types";

/** Reasons of a create that are about the connection: it can be stored all the same. */
const UNTESTED = /^DB_|^SERVICE_UNAVAILABLE$/;

export function AddDatabase({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  const state = useDraft({
    type: "redis",
    projectRef: projectRef ?? "default",
    name: "",
    description: "",
    connection: "",
    readOnly: false,
    production: false,
  });
  const { draft, set, problems } = state;
  const test = useTestConnection();
  const create = useCreateDatabase();
  const navigate = useNavigate();
  // The same for each try: a repeat after a lost answer registers nothing twice.
  const [requestId, setRequestId] = useState(() => crypto.randomUUID());
  const failure = create.error instanceof ApiError ? create.error : undefined;
  const taken = failure?.code === "ALREADY_EXISTS" ? failure.message : undefined;
  const canSkip = failure !== undefined && UNTESTED.test(failure.code);

  function change(more: Parameters<typeof set>[0]) {
    set(more);
    test.reset();
    create.reset();
    setRequestId(crypto.randomUUID());
  }

  async function save(skipTest: boolean) {
    try {
      const made = await create.mutateAsync(toCreate(draft, skipTest, requestId));
      toast.done(`${made.name} is registered.`);
      onOpenChange(false);
      navigate({ to: "/databases/$id", params: { id: made.id } });
    } catch {
      // Shown below, by the mutation's own error.
    }
  }

  return (
    <SidePanel
      wide
      open={open}
      onOpenChange={onOpenChange}
      title="Add a database"
      footer={
        <>
          <TestButton
            size="small"
            test={test}
            disabled={!draft.connection || problems.connection !== undefined}
            onTest={(signal) => test.mutate({ ...toTest(draft), signal })}
          />
          <div className="flex-1" />
          {canSkip ? (
            <Button size="small" kind="outline" loading={create.isPending} onClick={() => save(true)}>
              Save without the test
            </Button>
          ) : null}
          <Button
            size="small"
            kind="primary"
            type="submit"
            form="add-database"
            loading={create.isPending}
            disabled={!state.isComplete}
          >
            Test and save
          </Button>
        </>
      }
    >
      <form
        id="add-database"
        className="flex flex-col gap-5"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          save(false);
        }}
      >
        <TypeCards value={draft.type} onChange={(type) => change({ type, connection: "" })} />
        <div className="grid grid-cols-2 gap-3">
          <Field label="Name" error={problems.name ?? taken}>
            {(control) => (
              <Input
                {...control}
                required
                value={draft.name}
                placeholder="orders-cache"
                spellCheck={false}
                onChange={(event) => change({ name: event.target.value })}
              />
            )}
          </Field>
          <Field label="Project" error={failure?.code === "PROJECT_NOT_FOUND" ? failure.message : undefined}>
            {(control) => (
              <Input
                {...control}
                required
                value={draft.projectRef}
                disabled={projectRef !== undefined}
                spellCheck={false}
                onChange={(event) => change({ projectRef: event.target.value.trim() })}
              />
            )}
          </Field>
        </div>
        <Connection
          {...state}
          set={change}
          setPart={(part) => {
            state.setPart(part);
            test.reset();
            create.reset();
          }}
        />
        <Field label="Description" optional>
          {(control) => (
            <TextArea
              {...control}
              rows={2}
              value={draft.description}
              onChange={(event) => change({ description: event.target.value })}
            />
          )}
        </Field>
        <div className="flex flex-col gap-2">
          <Checkbox
            label="Read-only: this system never changes anything in it"
            checked={draft.readOnly}
            onChange={(event) => change({ readOnly: event.target.checked })}
          />
          <Checkbox
            label="Production: ask before anything dangerous, whoever does it"
            checked={draft.production}
            onChange={(event) => change({ production: event.target.checked })}
          />
        </div>
        {test.data ? <DiagnosisView type={draft.type} diagnosis={test.data} /> : null}
        {test.error ? <Failure error={test.error} /> : null}
        {failure && !taken && failure.code !== "PROJECT_NOT_FOUND" ? <Failure error={failure} /> : null}
        <Stored {...state} />
      </form>
    </SidePanel>
  );
}
