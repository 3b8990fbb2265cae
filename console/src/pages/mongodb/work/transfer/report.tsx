import type { MongoImportProgress, MongoRowFailure } from "@studio-databases/client/react";
import { saveBlob } from "@/lib/download";
import { bytes, count, duration } from "@/lib/format";
import { Button, type Column, Grid, Progress } from "@/ui";
import { Figure } from "../parts";

const COLUMNS: readonly Column<MongoRowFailure>[] = [
  { id: "row", header: "Row", width: "5rem", align: "right", cell: (each) => count(each.row) },
  {
    id: "line",
    header: "Line",
    width: "5rem",
    align: "right",
    cell: (each) => (each.line ? count(each.line) : "–"),
  },
  {
    id: "why",
    header: "Why",
    width: "minmax(16rem, 1fr)",
    cell: (each) => <span title={each.message}>{each.message}</span>,
  },
];

/** How far an import is, and the rows that failed. */
export function ImportReport({
  size,
  sent,
  progress,
  failures,
  running,
  collection,
}: {
  /** Bytes of the file. */
  size: number;
  /** Bytes of it that are on their way or there. */
  sent: number;
  progress: MongoImportProgress | undefined;
  failures: readonly MongoRowFailure[];
  running: boolean;
  collection: string;
}) {
  const isSending = running && !progress;
  function save() {
    const text = failures.map((each) => JSON.stringify(each)).join("\n");
    saveBlob(new Blob([`${text}\n`], { type: "application/x-ndjson" }), `${collection}-failed-rows.ndjson`);
  }
  return (
    <div className="flex flex-col gap-3">
      {running ? (
        <div role="status">
          <Progress label="Import" value={size > 0 ? (progress?.bytes ?? sent) / size : undefined} />
          <p className="mt-1 text-xs text-text-light">
            {isSending
              ? `${bytes(Math.min(sent, size))} of ${bytes(size)} sent; rows are counted once all of it is.`
              : "Writing…"}
          </p>
        </div>
      ) : null}
      {progress ? (
        <dl className="grid grid-cols-3 gap-3 sm:grid-cols-6" aria-live="off">
          <Figure name="Rows">{count(progress.rows)}</Figure>
          <Figure name="Inserted">{count(progress.inserted)}</Figure>
          <Figure name="Updated">{count(progress.updated)}</Figure>
          <Figure name="No match">{count(progress.unmatched)}</Figure>
          <Figure name="Failed">
            <span className={progress.failed > 0 ? "text-danger" : ""}>{count(progress.failed)}</span>
          </Figure>
          <Figure name="Time">{duration(progress.elapsed_ms)}</Figure>
        </dl>
      ) : null}
      {failures.length > 0 && progress ? (
        <div className="rounded-md border">
          <div className="flex items-center justify-between border-b px-3 py-1.5 text-xs text-text-light">
            {failures.length < progress.failed
              ? `The first ${count(failures.length)} of ${count(progress.failed)} rows that failed`
              : "Rows that failed"}
            <Button onClick={save}>Save the list</Button>
          </div>
          <Grid<MongoRowFailure>
            label="Rows that failed"
            className="h-56"
            rows={failures}
            columns={COLUMNS}
            rowKey={(each) => String(each.row)}
          />
        </div>
      ) : null}
    </div>
  );
}
