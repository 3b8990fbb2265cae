import { Download } from "lucide-react";
import { get } from "@/lib/ejson";
import { bytes } from "@/lib/format";
import { type Column, IconButton } from "@/ui";
import { line } from "../exact";
import type { Row } from "./row";

/** The columns of a list of files; without `onDownload` none can be saved. */
export function columnsOf({
  onDownload,
  busy,
}: {
  onDownload: ((row: Row) => void) | undefined;
  busy: boolean;
}): readonly Column<Row>[] {
  return [
    {
      id: "name",
      header: "Name",
      width: "minmax(14rem, 14fr)",
      cell: ({ data }) => <span title={data.filename}>{data.filename || "–"}</span>,
    },
    { id: "size", header: "Size", width: "6.5rem", align: "right", cell: ({ data }) => bytes(data.length) },
    {
      id: "type",
      header: "Type",
      width: "minmax(8rem, 8fr)",
      cell: ({ data }) => <span title={data.content_type}>{data.content_type || "–"}</span>,
    },
    {
      id: "stored",
      header: "Stored",
      width: "minmax(13rem, 13fr)",
      cell: ({ node }) => {
        const date = get(node, "upload_date");
        return date ? line(date) : "–";
      },
    },
    {
      id: "id",
      header: "_id",
      width: "minmax(12rem, 12fr)",
      cell: ({ node }) => {
        const id = get(node, "id");
        return <span className="font-mono text-xs">{id ? line(id) : ""}</span>;
      },
    },
    {
      id: "save",
      header: <span className="sr-only">Download</span>,
      width: "3.5rem",
      cell: (row) =>
        onDownload ? (
          // The row's own click opens its details.
          // biome-ignore lint/a11y/noStaticElementInteractions: nothing to do but to keep the click
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys of the button stay with it
          <span onClick={(event) => event.stopPropagation()}>
            <IconButton
              label={`Download ${row.data.filename}`}
              disabled={busy}
              onClick={() => onDownload(row)}
            >
              <Download size={14} aria-hidden />
            </IconButton>
          </span>
        ) : null,
    },
  ];
}
