/** The panel that updates or deletes all documents that match: what would happen comes first. */

import {
  type MongoSelection,
  useDeleteMongoDocuments,
  useUpdateMongoDocuments,
} from "@studio-databases/client/react";
import { useEffect, useRef, useState } from "react";
import { parse, write } from "@/lib/ejson";
import { count } from "@/lib/format";
import { Button, Code, Confirm, Failure, Field, Progress, SidePanel, toast } from "@/ui";
import { completeQuery, type Fields } from "./complete";
import { ManyPreview } from "./many-preview";
import { type ManyReport, readMany } from "./page";

export type ManyKind = "update" | "delete";

export function Many({
  databaseId,
  kind,
  of,
  fields,
  onClose,
}: {
  databaseId: string;
  kind: ManyKind;
  /** The query of the page; its filter can be changed here. */
  of: MongoSelection;
  fields: () => Fields;
  onClose: () => void;
}) {
  const [filter, setFilter] = useState(of.filter || "{}");
  const [update, setUpdate] = useState('{\n  "$set": {  }\n}');
  const [wrong, setWrong] = useState<string>();
  const [preview, setPreview] = useState<{ report: ManyReport; filter: string; update: string }>();
  const [asking, setAsking] = useState(false);
  const updates = useUpdateMongoDocuments<ManyReport>(databaseId);
  const deletes = useDeleteMongoDocuments<ManyReport>(databaseId);
  const running = updates.isPending || deletes.isPending;
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);
  const verb = kind === "update" ? "Update" : "Delete";

  function send(dryRun: boolean, texts: { filter: string; update: string }): Promise<ManyReport> {
    control.current = new AbortController();
    const options = {
      of: { ...of, filter: texts.filter },
      dryRun,
      read: readMany,
      signal: control.current.signal,
    };
    return kind === "update"
      ? updates.mutateAsync({ ...options, update: texts.update })
      : deletes.mutateAsync(options);
  }

  async function look() {
    setPreview(undefined);
    try {
      const texts = { filter: filterOf(filter), update: kind === "update" ? updateOf(update) : "" };
      setWrong(undefined);
      setPreview({ report: await send(true, texts), ...texts });
    } catch (error) {
      const isStopped = control.current?.signal.aborted ?? false;
      if (!isStopped) setWrong(error instanceof Error ? error.message : String(error));
    }
  }

  async function run() {
    if (!preview) return;
    const report = await send(false, preview);
    const done = kind === "update" ? "changed" : "deleted";
    toast.done(`${count(report.changed)} ${report.changed === 1 ? "document" : "documents"} ${done}.`);
    onClose();
  }

  const everything = preview?.filter === "{}";
  const amount = preview ? matchedOf(preview.report) : "";
  return (
    <>
      <SidePanel
        open
        wide
        onOpenChange={onClose}
        title={`${verb} documents of ${of.collection}`}
        description="Nothing changes before you have seen what would."
        footer={
          <>
            <Button onClick={onClose}>Cancel</Button>
            {running ? (
              <Button onClick={() => control.current?.abort()}>Stop</Button>
            ) : (
              <Button kind={preview ? "default" : "primary"} title="Ctrl+Enter" onClick={look}>
                Preview
              </Button>
            )}
            {preview ? (
              <Button
                kind={kind === "delete" ? "danger" : "primary"}
                disabled={running || preview.report.matched === 0}
                onClick={() => setAsking(true)}
              >
                {verb} {amount}…
              </Button>
            ) : null}
          </>
        }
      >
        <div className="flex flex-col gap-4">
          <Field label="Which documents">
            {() => (
              <Code
                label="Filter"
                language="json"
                lint={false}
                singleLine
                className="h-[30px]"
                value={filter}
                onChange={(text) => {
                  setFilter(text);
                  setPreview(undefined);
                }}
                complete={completeQuery(fields)}
                onSubmit={look}
              />
            )}
          </Field>
          {kind === "update" ? (
            <Field label="Update: operators, or an array of stages">
              {() => (
                <Code
                  label="Update"
                  language="json"
                  lint={false}
                  className="h-40"
                  value={update}
                  onChange={(text) => {
                    setUpdate(text);
                    setPreview(undefined);
                  }}
                  complete={completeQuery(fields, "update")}
                  onSubmit={look}
                />
              )}
            </Field>
          ) : null}
          {running ? <Progress label={`${verb}…`} /> : null}
          {wrong ? <Failure error={wrong} /> : null}
          {preview ? <ManyPreview report={preview.report} kind={kind} /> : null}
        </div>
      </SidePanel>
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title={`${verb} ${amount} of ${of.collection}?`}
        action={verb}
        {...(everything ? { typed: `${of.databaseName}.${of.collection}` } : {})}
        onConfirm={run}
      >
        <p>
          {everything ? "The filter is empty: this is about every document. " : ""}
          {kind === "delete" ? "They can't be brought back." : "There is no way back but another update."}
        </p>
      </Confirm>
    </>
  );
}

function filterOf(text: string): string {
  const node = parse(text.trim() || "{}", true);
  if (node.kind !== "object") throw new Error("The filter must be a document: { … }.");
  return write(node);
}

function updateOf(text: string): string {
  const node = parse(text, true);
  const isEmpty =
    node.kind === "object" &&
    node.members.every(({ value }) => value.kind === "object" && value.members.length === 0);
  if (isEmpty) throw new Error("The update says nothing yet.");
  return write(node);
}

/** `12 documents`, `at least 100,000 documents`. */
export function matchedOf({ matched, precision }: ManyReport): string {
  const least = precision === "at_least" ? "at least " : precision === "estimated" ? "~" : "";
  return `${least}${count(matched)} ${matched === 1 ? "document" : "documents"}`;
}
