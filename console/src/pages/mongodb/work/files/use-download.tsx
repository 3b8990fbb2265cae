import { downloadMongoFile, type MongoBucket, useClient } from "@studio-databases/client/react";
import { type ReactNode, useState } from "react";
import { saveStream } from "@/lib/download";
import { bytes } from "@/lib/format";
import { Button, Failure, Progress, toast } from "@/ui";
import { useWork } from "../use-work";
import { idOf, type Row } from "./row";

/** Saves one file after the other to the user's disk; `view` shows how far it is, or why it failed. */
export function useDownload(
  databaseId: string,
  of: MongoBucket,
): { running: boolean; start: (row: Row) => void; view: ReactNode } {
  const client = useClient();
  const work = useWork();
  const [file, setFile] = useState<Row>();
  const [come, setCome] = useState(0);

  function start(row: Row) {
    setFile(row);
    setCome(0);
    void work.start(async (signal) => {
      let saved = 0;
      const response = await downloadMongoFile(client, databaseId, of, idOf(row), signal);
      await saveStream(response, row.data.filename || "file", (now) => {
        saved = now;
        setCome(now);
      });
      // A file whose chunks don't add up is cut short, and its status was sent before.
      if (saved < row.data.length) {
        throw new Error(
          `${row.data.filename} is not whole: ${bytes(saved)} of ${bytes(row.data.length)} have come, the rest is damaged.`,
        );
      }
      toast.done(`${row.data.filename} is saved.`);
    });
  }

  const size = file?.data.length ?? 0;
  const view = work.running ? (
    <div role="status" className="flex items-center gap-3 border-t px-4 py-2 text-xs text-text-light">
      <Progress
        className="w-40"
        label={`Download of ${file?.data.filename}`}
        value={size ? come / size : undefined}
      />
      <span className="min-w-0 flex-1 truncate">
        {file?.data.filename}: {bytes(come)} of {bytes(size)}
      </span>
      <Button onClick={work.stop}>Stop</Button>
    </div>
  ) : work.error ? (
    <Failure className="m-2" error={work.error} onRetry={() => file && start(file)} />
  ) : null;
  return { running: work.running, start, view };
}
