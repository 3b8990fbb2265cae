import { ExactJson, stringifyExact } from "@studio-databases/client";
import { keys, type MongoNamespace, useClient } from "@studio-databases/client/react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { Button, Dialog, Failure, Field, Input, toast } from "@/ui";

/** Keeps a pipeline as a view of its collection. */
export function CreateView({
  databaseId,
  of,
  pipeline,
  onClose,
}: {
  databaseId: string;
  of: MongoNamespace;
  pipeline: string;
  onClose: () => void;
}) {
  const [name, setName] = useState("");
  const client = useClient();
  const queries = useQueryClient();
  const create = useMutation({
    mutationFn: () =>
      client.POST("/api/platform/mongodb/{database_id}/collections", {
        params: { path: { database_id: databaseId } },
        body: {
          database_name: of.databaseName,
          collection: name,
          view_on: of.collection,
          pipeline: new ExactJson(pipeline) as never,
        },
        bodySerializer: stringifyExact,
      }),
    onSuccess: () => {
      toast.done(`The view ${name} is there.`);
      void queries.invalidateQueries({ queryKey: keys.engine("mongodb", databaseId, "collections") });
      onClose();
    },
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    if (name) create.mutate();
  }
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Create a view"
      description={`Of ${of.databaseName}.${of.collection}, by the stages that are switched on.`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="create-view" disabled={!name} loading={create.isPending}>
            Create
          </Button>
        </>
      }
    >
      <form id="create-view" onSubmit={submit} className="flex flex-col gap-3">
        <Field label="Name">
          {(control) => (
            <Input
              {...control}
              autoComplete="off"
              spellCheck={false}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        {create.error ? <Failure error={create.error} /> : null}
      </form>
    </Dialog>
  );
}
