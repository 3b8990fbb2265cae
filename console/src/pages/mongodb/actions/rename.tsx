import { type MongoNamespace, useRenameMongoCollection } from "@studio-databases/client/react";
import { useState } from "react";
import { Button, Dialog, Field, Input, toast } from "@/ui";

/** Asks for a collection's new name. */
export function RenameCollection({
  databaseId,
  of,
  onClose,
  onDone,
}: {
  databaseId: string;
  of: MongoNamespace;
  onClose: () => void;
  onDone: (choice: { db: string; collection: string }) => void;
}) {
  const [name, setName] = useState(of.collection);
  const rename = useRenameMongoCollection(databaseId);
  const unchanged = name.trim() === "" || name === of.collection;
  async function run() {
    if (unchanged || rename.isPending) return;
    try {
      await rename.mutateAsync({ ...of, newName: name });
      toast.done(`${of.collection} is ${name} now.`);
      onDone({ db: of.databaseName, collection: name });
      onClose();
    } catch {
      // Shown at the field.
    }
  }
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`Rename ${of.collection}`}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" disabled={unchanged} loading={rename.isPending} onClick={run}>
            Rename
          </Button>
        </>
      }
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          run();
        }}
      >
        <Field
          label="New name"
          error={rename.error?.message}
          hint="Who uses the old name finds nothing any more."
        >
          {(control) => (
            <Input
              {...control}
              value={name}
              autoComplete="off"
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}
