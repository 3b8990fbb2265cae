import { type MongoBucket, useMay, useRenameMongoFile } from "@studio-databases/client/react";
import { useState } from "react";
import { get } from "@/lib/ejson";
import { bytes, count } from "@/lib/format";
import { Button, Facts, Failure, Field, Input, SidePanel, toast } from "@/ui";
import { hasContent, line } from "../exact";
import { Value } from "../parts";
import type { Row } from "./row";

/** A file: what is known of it, its metadata, its name to be changed. */
export function FileDetails({
  databaseId,
  of,
  row,
  id,
  onClose,
  onDelete,
}: {
  databaseId: string;
  of: MongoBucket;
  row: Row;
  id: string;
  onClose: () => void;
  onDelete: (() => void) | undefined;
}) {
  const may = useMay(databaseId);
  const [name, setName] = useState(row.data.filename);
  const rename = useRenameMongoFile(databaseId, of);
  const metadata = get(row.node, "metadata");
  const node = get(row.node, "id");
  const date = get(row.node, "upload_date");
  const chunks = row.data.chunk_size > 0 ? Math.ceil(row.data.length / row.data.chunk_size) : 0;
  const mayRename = may("mongodb.gridfs_file.rename");
  const isChanged = name !== row.data.filename && name !== "";
  function save() {
    if (!isChanged) return;
    rename.mutate(
      { id, filename: name },
      {
        onSuccess: () => {
          toast.done(`It is called ${name} now.`);
          onClose();
        },
      },
    );
  }
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={row.data.filename || "A file without a name"}
      description={`In ${of.bucket} of ${of.databaseName}`}
      footer={
        onDelete || mayRename ? (
          <>
            {onDelete ? (
              <Button kind="danger" onClick={onDelete}>
                Delete…
              </Button>
            ) : null}
            {mayRename ? (
              <Button kind="primary" disabled={!isChanged} loading={rename.isPending} onClick={save}>
                Rename
              </Button>
            ) : null}
          </>
        ) : undefined
      }
    >
      <div className="flex flex-col gap-4">
        {mayRename ? (
          <Field label="Name">
            {(control) => (
              <Input
                {...control}
                value={name}
                maxLength={4096}
                spellCheck={false}
                onChange={(event) => setName(event.target.value)}
                onKeyDown={(event) => event.key === "Enter" && save()}
              />
            )}
          </Field>
        ) : null}
        {rename.isError ? <Failure error={rename.error} /> : null}
        <Facts
          facts={[
            ["_id", node ? line(node) : ""],
            ["Size", `${bytes(row.data.length)} (${count(row.data.length)} bytes)`],
            ["Type", row.data.content_type],
            ["Stored", date ? line(date) : ""],
            ["Chunks", `${count(chunks)} of ${bytes(row.data.chunk_size)}`],
          ]}
        />
        {hasContent(metadata) ? (
          <section>
            <h3 className="mb-1 text-sm text-text-light">Metadata</h3>
            <Value node={metadata} className="rounded-md border bg-surface-100 p-3" />
          </section>
        ) : null}
      </div>
    </SidePanel>
  );
}
