import { conflictOf, type MongoNamespace, useDeleteMongoDocument } from "@studio-databases/client/react";
import { Confirm, toast } from "@/ui";
import { type Doc, nameOf, refOf } from "./page";

/** Asks before a document is deleted. */
export function DeleteDocument({
  databaseId,
  of,
  document,
  onClose,
  onDone,
}: {
  databaseId: string;
  of: MongoNamespace;
  document: Doc;
  onClose: () => void;
  onDone: () => void;
}) {
  const remove = useDeleteMongoDocument(databaseId);
  async function run() {
    const ref = refOf(of, document.node);
    if (!ref) return;
    try {
      await remove.mutateAsync(ref);
    } catch (error) {
      if (conflictOf(error)) {
        throw new Error("The document was changed since it was read. Look at it again before you delete it.");
      }
      throw error;
    }
    toast.done("The document is deleted.");
    onDone();
  }
  return (
    <Confirm open onOpenChange={onClose} title="Delete this document?" action="Delete" onConfirm={run}>
      <p>
        <code className="font-mono text-xs break-all text-text">{nameOf(document)}</code> of {of.databaseName}
        .{of.collection} can't be brought back.
      </p>
    </Confirm>
  );
}
