/** The dialogs of what is done with databases and collections. */

import {
  type MongoNamespace,
  useDropMongoCollection,
  useDropMongoDatabase,
  useMongoStats,
} from "@studio-databases/client/react";
import { bytes, count } from "@/lib/format";
import { Confirm, toast } from "@/ui";
import { CreateCollection } from "./create";
import type { Action } from "./items";
import { RenameCollection } from "./rename";

/** What is shown next; no database for the connection's own. */
export interface Choice {
  db: string | undefined;
  collection?: string;
}

export { type Action, collectionItems, databaseItems } from "./items";

export function Actions({
  databaseId,
  action,
  onClose,
  onChoose,
}: {
  databaseId: string;
  action: Action | undefined;
  onClose: () => void;
  /** Goes to what was made, or away from what is gone. */
  onChoose: (choice: Choice) => void;
}) {
  if (action?.kind === "create" || action?.kind === "create-database") {
    const databaseName = action.kind === "create" ? action.databaseName : undefined;
    return (
      <CreateCollection
        databaseId={databaseId}
        databaseName={databaseName}
        onClose={onClose}
        onDone={onChoose}
      />
    );
  }
  if (action?.kind === "rename") {
    return <RenameCollection databaseId={databaseId} of={action.of} onClose={onClose} onDone={onChoose} />;
  }
  if (action?.kind === "drop") {
    return (
      <DropCollection
        databaseId={databaseId}
        of={action.of}
        type={action.type}
        onClose={onClose}
        onDone={() => onChoose({ db: action.of.databaseName })}
      />
    );
  }
  if (action?.kind === "drop-database") {
    return (
      <DropDatabase
        databaseId={databaseId}
        name={action.databaseName}
        onClose={onClose}
        onDone={() => onChoose({ db: undefined })}
      />
    );
  }
  return null;
}

function DropCollection({
  databaseId,
  of,
  type,
  onClose,
  onDone,
}: {
  databaseId: string;
  of: MongoNamespace;
  type: string;
  onClose: () => void;
  onDone: () => void;
}) {
  const drop = useDropMongoCollection(databaseId);
  const isView = type === "view";
  const stats = useMongoStats(databaseId, of, !isView);
  async function run() {
    await drop.mutateAsync(of);
    toast.done(`${of.collection} is gone.`);
    onDone();
  }
  return (
    <Confirm
      open
      onOpenChange={onClose}
      title={`Drop ${of.collection}?`}
      action={isView ? "Drop view" : "Drop collection"}
      {...(isView ? {} : { typed: of.collection })}
      onConfirm={run}
    >
      <p>
        {isView
          ? "The view goes; the collection that it shows stays."
          : "All its documents and indexes go, and can't be brought back."}
      </p>
      {stats.data && stats.data.document_count >= 0 ? (
        <p>
          ~{count(stats.data.document_count)} documents, {bytes(stats.data.data_bytes)}
        </p>
      ) : null}
    </Confirm>
  );
}

function DropDatabase({
  databaseId,
  name,
  onClose,
  onDone,
}: {
  databaseId: string;
  name: string;
  onClose: () => void;
  onDone: () => void;
}) {
  const drop = useDropMongoDatabase(databaseId);
  const stats = useMongoStats(databaseId, { databaseName: name, collection: "" });
  return (
    <Confirm
      open
      onOpenChange={onClose}
      title={`Drop the database ${name}?`}
      action="Drop database"
      typed={name}
      onConfirm={async () => {
        await drop.mutateAsync(name);
        toast.done(`The database ${name} is gone.`);
        onDone();
      }}
    >
      <p>All its collections go with their documents, and can't be brought back.</p>
      {stats.data ? (
        <p>
          {count(stats.data.collection_count)} collections, ~{count(stats.data.document_count)} documents,{" "}
          {bytes(stats.data.data_bytes)}
        </p>
      ) : null}
    </Confirm>
  );
}
