/** The panels beside the documents, of which one is open at a time, and who may open which. */

import { type MongoQuery, useMay } from "@studio-databases/client/react";
import { useState } from "react";
import { compact, type Node, object, writeLines } from "@/lib/ejson";
import type { DocumentActions } from "./card";
import type { Fields } from "./complete";
import { DeleteDocument } from "./delete";
import { Editor } from "./editor";
import { Insert } from "./insert";
import { Many, type ManyKind } from "./many";
import type { Doc } from "./page";

type Open =
  | { kind: "edit"; document: Doc; draft: Node | undefined }
  | { kind: "insert"; text: string }
  | { kind: "many"; what: ManyKind };

const BLANK = "{\n  \n}";

/** What is open, and what may be opened. */
export function usePanels(databaseId: string, query: MongoQuery, type: string) {
  const [open, setOpen] = useState<Open>();
  const [deleting, setDeleting] = useState<Doc>();
  const may = useMay(databaseId);
  const writes = type === "collection" || type === "timeseries";
  // Views are not written to, and measurements of a time series are not changed one by one.
  const changes = type === "collection";
  const whole = query.projection === "";
  const mayEdit = changes && may("mongodb.document.replace");
  const mayInsert = writes && may("mongodb.document.insert");
  const mayDelete = changes && may("mongodb.document.delete_many");
  const actions: DocumentActions = {
    inline: mayEdit && whole,
    onEdit: (document, draft) => setOpen({ kind: "edit", document, draft }),
    onClone:
      mayInsert && whole ? (document) => setOpen({ kind: "insert", text: cloned(document) }) : undefined,
    // Only what is whole can be compared with what is deleted.
    onDelete: mayDelete && whole ? setDeleting : undefined,
  };
  return {
    open,
    setOpen,
    deleting,
    setDeleting,
    mayEdit,
    actions,
    toolbar: {
      onInsert: mayInsert ? () => setOpen({ kind: "insert", text: BLANK }) : undefined,
      onUpdateMany:
        changes && may("mongodb.document.update")
          ? () => setOpen({ kind: "many", what: "update" })
          : undefined,
      onDeleteMany: mayDelete ? () => setOpen({ kind: "many", what: "delete" }) : undefined,
    },
  };
}

export function Panels({
  databaseId,
  query,
  panels,
  fields,
}: {
  databaseId: string;
  query: MongoQuery;
  panels: ReturnType<typeof usePanels>;
  fields: () => Fields;
}) {
  const { open, setOpen, deleting, setDeleting, mayEdit, actions } = panels;
  const { databaseName, collection, filter, collation, hint } = query;
  const of = { databaseName, collection };
  const close = () => setOpen(undefined);
  return (
    <>
      {open?.kind === "edit" ? (
        <Editor
          databaseId={databaseId}
          of={of}
          document={open.document}
          draft={open.draft}
          mayEdit={mayEdit}
          onClose={close}
          onDelete={actions.onDelete ? () => setDeleting(open.document) : undefined}
        />
      ) : null}
      {open?.kind === "insert" ? (
        <Insert databaseId={databaseId} of={of} start={open.text} fields={fields} onClose={close} />
      ) : null}
      {open?.kind === "many" ? (
        <Many
          databaseId={databaseId}
          kind={open.what}
          of={{ ...of, filter, collation, hint }}
          fields={fields}
          onClose={close}
        />
      ) : null}
      {deleting ? (
        <DeleteDocument
          databaseId={databaseId}
          of={of}
          document={deleting}
          onClose={() => setDeleting(undefined)}
          onDone={() => {
            setDeleting(undefined);
            close();
          }}
        />
      ) : null}
    </>
  );
}

/** A document without its `_id`, which the copy can't have as well. */
function cloned({ node }: Doc): string {
  const members = node.kind === "object" ? node.members.filter(({ name }) => name !== "_id") : [];
  return writeLines(compact(object(members)));
}
