import { ApiError } from "@studio-databases/client";
import { type MongoNamespace, useInsertMongoDocuments } from "@studio-databases/client/react";
import { useState } from "react";
import { array, canonical, compact, type Node, parse, write, writeLines } from "@/lib/ejson";
import { count } from "@/lib/format";
import { Button, Code, Failure, SidePanel, toast } from "@/ui";
import { completeQuery, type Fields } from "./complete";

/** The panel that inserts a document, or an array of them. */
export function Insert({
  databaseId,
  of,
  start,
  fields,
  onClose,
}: {
  databaseId: string;
  of: MongoNamespace;
  /** What the text is at first: that of a document to clone. */
  start: string;
  fields: () => Fields;
  onClose: () => void;
}) {
  const [text, setText] = useState(start);
  const [wrong, setWrong] = useState<string>();
  const [inserted, setInserted] = useState(0);
  const insert = useInsertMongoDocuments(databaseId);

  async function run() {
    let documents: readonly Node[];
    setInserted(0);
    setWrong(undefined);
    try {
      documents = documentsOf(parse(text, true));
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
      return;
    }
    try {
      await insert.mutateAsync({ ...of, documents: documents.map(write) });
      toast.done(
        documents.length === 1
          ? "The document is inserted."
          : `${count(documents.length)} documents are inserted.`,
      );
      onClose();
    } catch (failure) {
      const before = failure instanceof ApiError ? Number(failure.metadata.inserted_count ?? 0) : 0;
      if (before > 0) setText(writeLines(compact(array(documents.slice(before)))));
      setInserted(before);
    }
  }

  const { error } = insert;
  return (
    <SidePanel
      open
      wide
      onOpenChange={onClose}
      title={`Insert into ${of.collection}`}
      description="A document, or an array of documents. Without _id each gets an ObjectId."
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" title="Ctrl+Enter" loading={insert.isPending} onClick={run}>
            Insert
          </Button>
        </>
      }
    >
      <div className="flex h-full min-h-0 flex-col gap-3">
        <Code
          label="Documents"
          language="json"
          lint={false}
          className="min-h-64 flex-1"
          value={text}
          onChange={setText}
          complete={completeQuery(fields, "document")}
          onSubmit={run}
        />
        {wrong ? <Failure error={wrong} /> : null}
        {error ? <Failure error={error} /> : null}
        {error && inserted > 0 ? (
          <p className="text-xs text-text-light">
            What is inserted was taken out of the text; it begins with the document that failed.
          </p>
        ) : null}
      </div>
    </SidePanel>
  );
}

/** The documents of a text, canonical. */
function documentsOf(node: Node): readonly Node[] {
  const found = node.kind === "array" ? node.items : [node];
  if (found.length === 0) throw new Error("There is no document in the array.");
  if (found.some((each) => each.kind !== "object")) throw new Error("Documents are expected: { … }.");
  return found.map(canonical);
}
