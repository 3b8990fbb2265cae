import {
  type MongoBucket,
  uploadMongoFile,
  useClient,
  useForgetMongoFiles,
} from "@studio-databases/client/react";
import { Check } from "lucide-react";
import { useState } from "react";
import { bytes, count } from "@/lib/format";
import { Button, Failure, Field, Progress, SidePanel, toast } from "@/ui";
import { useWork } from "../use-work";

/** Uploads files one after the other. Those that are stored stay when the rest is stopped. */
export function UploadFiles({
  databaseId,
  of,
  onClose,
}: {
  databaseId: string;
  of: MongoBucket;
  onClose: () => void;
}) {
  const [files, setFiles] = useState<readonly File[]>([]);
  const [stored, setStored] = useState(0);
  const [sent, setSent] = useState(0);
  const client = useClient();
  const forget = useForgetMongoFiles(databaseId, of.databaseName);
  const work = useWork();
  const now = files[stored];

  function start() {
    void work.start(async (signal) => {
      try {
        for (const [at, file] of files.entries()) {
          if (at < stored) continue;
          setSent(0);
          await uploadMongoFile(client, databaseId, of, file, setSent, signal);
          setStored(at + 1);
        }
      } finally {
        await forget();
      }
      toast.done(
        files.length === 1 ? `${files[0]?.name} is stored.` : `${count(files.length)} files are stored.`,
      );
      onClose();
    });
  }

  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title="Upload files"
      description={`Into the bucket ${of.bucket} of ${of.databaseName}`}
      footer={
        work.running ? (
          <Button kind="danger" onClick={work.stop}>
            Stop
          </Button>
        ) : (
          <>
            <Button onClick={onClose}>Cancel</Button>
            <Button kind="primary" disabled={files.length === 0} onClick={start}>
              {stored > 0 ? "Upload the rest" : "Upload"}
            </Button>
          </>
        )
      }
    >
      <div className="flex flex-col gap-4">
        <Field
          label="Files"
          hint="Of any size and kind. A name may be there already: files are told apart by their _id."
        >
          {(control) => (
            <input
              {...control}
              type="file"
              multiple
              disabled={work.running}
              className="text-sm file:mr-3 file:rounded-md file:border file:border-line-strong file:bg-surface-200 file:px-2.5 file:py-1 file:text-xs file:text-text"
              onChange={(event) => {
                setFiles([...(event.target.files ?? [])]);
                setStored(0);
              }}
            />
          )}
        </Field>
        {files.length > 0 ? (
          <ul aria-label="Chosen files" className="rounded-md border text-sm">
            {files.map((file, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: two files of two folders may have one name
              <li key={at} className="flex items-center gap-3 border-b px-3 py-1.5 last:border-b-0">
                <span className="min-w-0 flex-1 truncate" title={file.name}>
                  {file.name}
                </span>
                <span className="text-xs text-text-light tabular-nums">{bytes(file.size)}</span>
                {at < stored ? <Check size={14} className="text-brand-text" aria-label="stored" /> : null}
              </li>
            ))}
          </ul>
        ) : null}
        {work.running && now ? (
          <div role="status">
            <Progress label={`Upload of ${now.name}`} value={now.size ? sent / now.size : undefined} />
            <p className="mt-1 text-xs text-text-light">
              {now.name}: {bytes(Math.min(sent, now.size))} of {bytes(now.size)} sent. Closing this panel
              stops it.
            </p>
          </div>
        ) : null}
        {work.stopped ? (
          <p className="text-sm text-text-light">
            Stopped. Nothing stays of the file that was being sent; those before it are stored.
          </p>
        ) : null}
        {work.error ? <Failure error={work.error} /> : null}
      </div>
    </SidePanel>
  );
}
