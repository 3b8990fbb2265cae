import { ApiError } from "@studio-databases/client";
import { type MongoNamespace, useInsertMongoDocuments } from "@studio-databases/client/react";
import { useState } from "react";
import { canonical, type Node, parse, write } from "@/lib/ejson";
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
  const insert = useInsertMongoDocuments(databaseId);

  async function run() {
    let documents: string[];
    try {
      documents = documentsOf(parse(text, true));
      setWrong(undefined);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
      return;
    }
    try {
      await insert.mutateAsync({ ...of, documents });
      toast.done(
        documents.length === 1
          ? "The document is inserted."
          : `${count(documents.length)} documents are inserted.`,
      );
      onClose();
    } catch {
      // Shown below.
    }
  }

  const { error } = insert;
  const failed = error instanceof ApiError ? error.metadata.index : undefined;
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
        {error instanceof ApiError && failed !== undefined && failed !== "0" ? (
          <p className="text-xs text-text-light">
            Document {Number(failed) + 1} failed; the {error.metadata.inserted_count ?? failed} before it are
            inserted: take them out of the text.
          </p>
        ) : null}
      </div>
    </SidePanel>
  );
}

function documentsOf(node: Node): string[] {
  const found = node.kind === "array" ? node.items : [node];
  if (found.length === 0) throw new Error("There is no document in the array.");
  if (found.some((each) => each.kind !== "object")) throw new Error("Documents are expected: { … }.");
  return found.map((each) => write(canonical(each)));
}
