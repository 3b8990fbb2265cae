/** The panel with one document: its text is edited, what changes is reviewed, and only what was read is replaced. */

import {
  conflictOf,
  type MongoNamespace,
  useMongoDocument,
  useReplaceMongoDocument,
} from "@studio-databases/client/react";
import { useState } from "react";
import { canonical, compact, type Node, parse, write, writeLines } from "@/lib/ejson";
import { bytes } from "@/lib/format";
import { Button, Code, Copy, Empty, Failure, Loading, SidePanel, toast } from "@/ui";
import { Conflict } from "./conflict";
import { Diff } from "./diff";
import { type Doc, nameOf, readDocument, refOf } from "./page";

/** Characters of a document that an editor takes: with more the browser stands still. */
const MOST_EDITED = 1_000_000;

interface Props {
  databaseId: string;
  of: MongoNamespace;
  document: Doc;
  /** Changed already, against `document`. */
  draft: Node | undefined;
  mayEdit: boolean;
  onClose: () => void;
  onDelete: (() => void) | undefined;
}

export function Editor(props: Props) {
  const { databaseId, of, document, draft } = props;
  // A draft was made from what the list has; whatever else is edited as it is now, and whole.
  const id = draft ? undefined : document.id;
  const found = useMongoDocument(databaseId, of, id, readDocument);
  const start = id === undefined ? document.node : found.data;
  if (start) return <Loaded {...props} start={start} />;
  return (
    <SidePanel open wide onOpenChange={props.onClose} title={`Document ${nameOf(document)}`}>
      {found.isError ? <Failure error={found.error} onRetry={() => found.refetch()} /> : <Loading />}
    </SidePanel>
  );
}

function Loaded({
  databaseId,
  of,
  document,
  draft,
  mayEdit,
  onClose,
  onDelete,
  start,
}: Props & { start: Node }) {
  const [base, setBase] = useState(start);
  const [text, setText] = useState(() => writeLines(compact(draft ?? start)));
  const [reviewed, setReviewed] = useState<Node | undefined>(draft && canonical(draft));
  const [wrong, setWrong] = useState<string>();
  const replace = useReplaceMongoDocument(databaseId);
  const conflict = conflictOf(replace.error);
  const tooLarge = text.length > MOST_EDITED;
  const editable = mayEdit && document.id !== undefined && !tooLarge;

  function review() {
    try {
      const next = canonical(parse(text, true));
      if (next.kind !== "object") throw new Error("A document is expected: { … }.");
      if (write(next) === write(base)) throw new Error("Nothing was changed.");
      setWrong(undefined);
      setReviewed(next);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  }

  async function save() {
    const ref = refOf(of, base);
    if (!ref || !reviewed) return;
    try {
      await replace.mutateAsync({ ...ref, document: write(reviewed) });
      toast.done("The document is saved.");
      onClose();
    } catch {
      // Shown in the panel.
    }
  }

  /** Goes on from what the server has by now. */
  function goOn(current: Node, change: Node | undefined) {
    replace.reset();
    setBase(current);
    setText(writeLines(compact(change ?? current)));
    setReviewed(change);
  }

  const footer = reviewed ? (
    <>
      <Button disabled={replace.isPending} onClick={() => setReviewed(undefined)}>
        Back to the text
      </Button>
      <Button kind="primary" disabled={conflict !== undefined} loading={replace.isPending} onClick={save}>
        Save
      </Button>
    </>
  ) : (
    <>
      {onDelete ? (
        <Button kind="danger" className="mr-auto" onClick={onDelete}>
          Delete…
        </Button>
      ) : null}
      <Button onClick={onClose}>{editable ? "Cancel" : "Close"}</Button>
      {editable ? (
        <Button kind="primary" title="Ctrl+Enter" onClick={review}>
          Review changes
        </Button>
      ) : null}
    </>
  );
  return (
    <SidePanel
      open
      wide
      onOpenChange={onClose}
      title={reviewed ? "What will be saved" : editable ? "Edit document" : "Document"}
      description={`${of.databaseName}.${of.collection} · ${nameOf(document)}`}
      footer={footer}
    >
      <div className="flex h-full min-h-0 flex-col gap-3">
        {conflict && reviewed ? (
          <Conflict
            databaseId={databaseId}
            of={of}
            id={document.id}
            base={base}
            mine={reviewed}
            told={conflict.current}
            onTheirs={(current) => goOn(current, undefined)}
            onMine={goOn}
          />
        ) : null}
        {replace.error && !conflict ? <Failure error={replace.error} /> : null}
        {reviewed ? (
          <Diff before={base} after={reviewed} />
        ) : tooLarge ? (
          <Empty title="This document is too large for an editor in the browser.">
            As a text it has {bytes(text.length)}. Its shorter values can be changed in the list, one by one;
            an export has all of it.
          </Empty>
        ) : (
          <>
            <div className="flex items-center justify-between text-xs text-text-light">
              <span>
                {editable
                  ? 'Extended JSON: 5 is an Int32, 5.0 a Double; other types are named. ObjectId("…") and the like work, too.'
                  : "Extended JSON: 5 is an Int32, 5.0 a Double; other types are named."}
              </span>
              <Copy text={text} label="Copy the text" />
            </div>
            <Code
              label="Document"
              language="json"
              lint={false}
              className="min-h-64 flex-1"
              readOnly={!editable}
              value={text}
              onChange={setText}
              onSubmit={review}
            />
            {wrong ? <Failure error={wrong} /> : null}
          </>
        )}
      </div>
    </SidePanel>
  );
}
