import { type Database, useDeleteDatabase, useMay, useUpdateDatabase } from "@studio-databases/client/react";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Button, Checkbox, Confirm, Failure, Field, Input, TextArea, toast } from "@/ui";
import { ConnectionFields } from "./connection";
import { changes, type Edited, edited, isUntested } from "./edit";

/** Changes what the registry holds; the database itself is left alone. */
export function Settings({ database }: { database: Database }) {
  const [now, setNow] = useState(() => edited(database));
  const update = useUpdateDatabase(database.id);
  const body = changes(database, now);
  const dirty = Object.keys(body).length > 0;

  function set(change: Partial<Edited>) {
    setNow({ ...now, ...change });
    update.reset();
  }

  function save(skipTest: boolean) {
    update.mutate(skipTest ? { ...body, skip_test: true } : body, {
      onSuccess: (saved) => {
        setNow(edited(saved));
        toast.done("Saved.");
      },
    });
  }

  return (
    <div className="flex h-full max-w-3xl flex-col gap-8 overflow-y-auto p-5">
      <form
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          save(false);
        }}
        className="flex flex-col gap-5"
      >
        <Field label="Name">
          {(control) => (
            <Input
              {...control}
              required
              pattern="[a-z0-9\-]{1,63}"
              title="Lower-case letters, digits and hyphens"
              value={now.name}
              onChange={(event) => set({ name: event.target.value })}
            />
          )}
        </Field>
        <Field label="Description" optional>
          {(control) => (
            <TextArea
              {...control}
              rows={2}
              value={now.description}
              onChange={(event) => set({ description: event.target.value })}
            />
          )}
        </Field>
        <ConnectionFields database={database} now={now} set={set} />
        <div className="flex flex-col gap-2">
          <Checkbox
            label="Read-only: this system never changes anything in it"
            checked={now.readOnly}
            onChange={(event) => set({ readOnly: event.target.checked })}
          />
          <Checkbox
            label="Production: ask before anything dangerous, whoever does it"
            checked={now.production}
            onChange={(event) => set({ production: event.target.checked })}
          />
        </div>
        {update.error ? <Failure error={update.error} /> : null}
        <div className="flex gap-2">
          <Button type="submit" kind="primary" size="small" disabled={!dirty} loading={update.isPending}>
            Save
          </Button>
          <Button size="small" disabled={!dirty} onClick={() => set(edited(database))}>
            Undo
          </Button>
          {isUntested(update.error) ? (
            <Button size="small" kind="outline" loading={update.isPending} onClick={() => save(true)}>
              Save without the test
            </Button>
          ) : null}
        </div>
      </form>
      <Danger database={database} />
    </div>
  );
}

function Danger({ database }: { database: Database }) {
  const may = useMay(database.id);
  const update = useUpdateDatabase(database.id);
  const remove = useDeleteDatabase();
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const inactive = database.status === "inactive";
  return (
    <section aria-labelledby="danger" className="flex flex-col gap-4 rounded-md border border-danger p-4">
      <h2 id="danger" className="text-sm font-medium">
        Out of use
      </h2>
      <div className="flex items-center justify-between gap-4">
        <p className="text-sm text-text-light">
          {inactive
            ? "Taken out of use: it is not connected to and not checked."
            : "Take it out of use for a while: it is not connected to and not checked."}
        </p>
        <Button
          loading={update.isPending}
          onClick={() =>
            update.mutate({ status: inactive ? "active" : "inactive" }, { onError: toast.failed })
          }
        >
          {inactive ? "Take into use" : "Take out of use"}
        </Button>
      </div>
      {may("registry.database.delete") ? (
        <div className="flex items-center justify-between gap-4">
          <p className="text-sm text-text-light">Remove it from the registry. What it holds is left alone.</p>
          <Button kind="danger" onClick={() => setDeleting(true)}>
            Delete
          </Button>
        </div>
      ) : null}
      <Confirm
        open={deleting}
        onOpenChange={setDeleting}
        title={`Delete ${database.name}?`}
        action="Delete"
        typed={database.name}
        onConfirm={async () => {
          await remove.mutateAsync(database.id);
          toast.done(`${database.name} is removed from the registry.`);
          navigate({ to: "/databases" });
        }}
      >
        <p>Its stored connection, health history and grants go. The server and its data are left alone.</p>
      </Confirm>
    </section>
  );
}
