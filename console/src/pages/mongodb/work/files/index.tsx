/** Files that a database keeps in chunks (GridFS): list, upload, download, rename, delete. */

import {
  type MongoBucket,
  type MongoFiles,
  useDeleteMongoFile,
  useMay,
  useMongoBuckets,
  useMongoFiles,
} from "@studio-databases/client/react";
import { Upload } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useDebounced } from "@/lib/debounce";
import { get } from "@/lib/ejson";
import { bytes, count } from "@/lib/format";
import { Asked, Button, Confirm, Empty, Failure, Grid, Input, Loading, Reload, Select, toast } from "@/ui";
import { line, listOf, readExact } from "../exact";
import { Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { columnsOf } from "./columns";
import { FileDetails } from "./details";
import { NewBucket } from "./new-bucket";
import { idOf, type Row } from "./row";
import { UploadFiles } from "./upload";
import { useDownload } from "./use-download";

const DEFAULT = "fs";

export function Files({ databaseId, databaseName, part, onPart }: WorkProps) {
  const may = useMay(databaseId);
  const found = useMongoBuckets(databaseId, databaseName);
  const [naming, setNaming] = useState(false);
  if (!databaseName) return <Empty title="Choose a database at the left." />;
  if (found.isPending) return <Loading>Looking for files…</Loading>;
  if (found.isError) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  const { buckets } = found.data;
  const bucket = part || buckets[0] || DEFAULT;
  const names = [...new Set([...buckets, bucket])].sort();
  const picker = (
    <>
      <Select
        aria-label="Bucket"
        className="!h-7 !w-44 !text-xs"
        value={bucket}
        onChange={(event) => onPart(event.target.value)}
      >
        {names.map((each) => (
          <option key={each} value={each}>
            {each}
            {buckets.includes(each) ? "" : " (empty)"}
          </option>
        ))}
      </Select>
      {may("mongodb.gridfs_file.upload") ? (
        <Button kind="text" onClick={() => setNaming(true)}>
          New bucket…
        </Button>
      ) : null}
    </>
  );
  return (
    <>
      <Bucket key={bucket} databaseId={databaseId} of={{ databaseName, bucket }} picker={picker} />
      {naming ? <NewBucket taken={buckets} onChoose={onPart} onClose={() => setNaming(false)} /> : null}
    </>
  );
}

function Bucket({ databaseId, of, picker }: { databaseId: string; of: MongoBucket; picker: ReactNode }) {
  const may = useMay(databaseId);
  const [name, setName] = useState("");
  const [opened, setOpened] = useState<string>();
  const [uploading, setUploading] = useState(false);
  const [deleting, setDeleting] = useState<Row>();
  const filter = filterOf(useDebounced(name));
  const found = useMongoFiles(
    databaseId,
    of,
    filter,
    readExact<MongoFiles>,
    (page) => page.data.next_page_token,
  );
  const remove = useDeleteMongoFile(databaseId, of);
  const download = useDownload(databaseId, of);
  const rows = (found.data?.pages ?? []).flatMap(({ data, node }) => {
    const nodes = listOf(node, "files");
    return data.files.flatMap((each, at): Row[] => {
      const document = nodes[at];
      return document ? [{ data: each, node: document }] : [];
    });
  });
  const chosen = rows.find((each) => idOf(each) === opened);
  const mayUpload = may("mongodb.gridfs_file.upload");
  const upload = (
    <Button kind="primary" icon={<Upload size={13} aria-hidden />} onClick={() => setUploading(true)}>
      Upload files
    </Button>
  );
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        {picker}
        <Input
          aria-label="Beginning of the name"
          placeholder="Names that begin with"
          className="!h-7 !w-52 !text-xs"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <div className="flex-1" />
        <Reload of={found} />
        {mayUpload ? upload : null}
      </Toolbar>
      <Asked of={found}>Loading files…</Asked>
      {found.data ? (
        <Grid<Row>
          label="Files"
          rows={rows}
          columns={columnsOf({
            onDownload: may("mongodb.gridfs_file.download") ? download.start : undefined,
            busy: download.running,
          })}
          rowKey={idOf}
          selected={opened}
          onSelect={(row) => setOpened(idOf(row))}
          onEnd={() => found.hasNextPage && !found.isFetching && found.fetchNextPage()}
          empty={
            filter ? (
              <Empty title="No file has a name that begins so." />
            ) : (
              <Empty title={`There are no files in ${of.bucket}.`} action={mayUpload ? upload : null} />
            )
          }
        />
      ) : null}
      {download.view}
      <p className="border-t px-4 py-1.5 text-xs text-text-light">
        {count(rows.length)} {rows.length === 1 ? "file" : "files"}
        {found.hasNextPage ? ", and more" : ""},{" "}
        {bytes(rows.reduce((sum, each) => sum + each.data.length, 0))}
      </p>
      {chosen ? (
        <FileDetails
          databaseId={databaseId}
          of={of}
          row={chosen}
          id={idOf(chosen)}
          onClose={() => setOpened(undefined)}
          onDelete={may("mongodb.gridfs_file.delete") ? () => setDeleting(chosen) : undefined}
        />
      ) : null}
      {uploading ? <UploadFiles databaseId={databaseId} of={of} onClose={() => setUploading(false)} /> : null}
      <Confirm
        open={deleting !== undefined}
        onOpenChange={(open) => !open && setDeleting(undefined)}
        title="Delete this file?"
        action="Delete it"
        onConfirm={async () => {
          if (!deleting) return;
          await remove.mutateAsync(idOf(deleting));
          toast.done(`${deleting.data.filename} is deleted.`);
          setOpened(undefined);
        }}
      >
        <p>
          {deleting?.data.filename} ({deleting ? bytes(deleting.data.length) : ""}), with the _id{" "}
          <code className="font-mono text-xs">
            {deleting ? line(get(deleting.node, "id") ?? deleting.node) : ""}
          </code>
          . It can't be brought back.
        </p>
      </Confirm>
    </div>
  );
}

/** Names that begin so: a range, which the bucket's index on names serves. */
function filterOf(name: string): string {
  if (!name) return "";
  return JSON.stringify({ filename: { $gte: name, $lt: `${name}\u{10ffff}` } });
}
