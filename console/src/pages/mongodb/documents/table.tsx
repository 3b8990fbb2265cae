import { type MouseEvent, useMemo, useState } from "react";
import { type BsonType, columnsOf, get, type Node, setAt, typeOf, write } from "@/lib/ejson";
import { type Column, Grid } from "@/ui";
import type { DocumentActions } from "./card";
import { type Cell, CellEditor } from "./cell-editor";
import type { Doc } from "./page";
import { nameOf, Value } from "./value";
import { mayEditInPlace } from "./value-editor";

const MOST_COLUMNS = 60;

/** Widths of columns whose values have one type. */
const WIDTHS: Partial<Record<BsonType, string>> = {
  int: "7rem",
  bool: "7rem",
  double: "10rem",
  long: "13rem",
  date: "14rem",
  objectId: "14.5rem",
};
const WIDE = "16rem";
/** Of a column's header: letters for which there is room, and what they and the space around them take. */
const MOST_LETTERS = 36;
const REM_A_LETTER = 0.42;
const PADDING_REM = 2;

/** As wide as the values mostly are, and wide enough for a name that is not too long. */
function widthOf(name: string, types: ReadonlySet<BsonType>): string {
  const [type, another] = types;
  const ofValues = (another === undefined && type && WIDTHS[type]) || WIDE;
  const letters = Math.min(name.length + [...types].map(nameOf).join(", ").length, MOST_LETTERS);
  return `max(${ofValues}, ${letters * REM_A_LETTER + PADDING_REM}rem)`;
}

/** Documents as a grid, a column for each of their outermost fields. */
export function Table({ documents, actions }: { documents: readonly Doc[]; actions: DocumentActions }) {
  const { inline, onEdit } = actions;
  const [selected, setSelected] = useState<string>();
  const [edited, setEdited] = useState<Cell>();
  const columns = useMemo(() => {
    const nodes = documents.map((each) => each.node);
    return columnsOf(nodes, MOST_COLUMNS).map((name): Column<Doc> => {
      const types = new Set<BsonType>();
      for (const node of nodes) {
        const value = get(node, name);
        if (value) types.add(typeOf(value));
      }
      return {
        id: name,
        header: (
          <span>
            {name} <span className="font-normal text-text-muted">{[...types].map(nameOf).join(", ")}</span>
          </span>
        ),
        width: widthOf(name, types),
        cell: (row) => {
          const value = get(row.node, name);
          if (!value) return null;
          const shown = <Value node={value} />;
          if (!inline || row.id === undefined || name === "_id" || !mayEditInPlace(value)) return shown;
          function edit(event: MouseEvent<HTMLElement>) {
            event.stopPropagation(); // which would open the document
            if (value) setEdited({ document: row, name, value, place: event.currentTarget });
          }
          return (
            // biome-ignore lint/a11y/noStaticElementInteractions: a shortcut; Enter opens the whole document
            <span className="block truncate" onDoubleClick={edit}>
              {shown}
            </span>
          );
        },
      };
    });
  }, [documents, inline]);

  /** What is to be saved is looked at first, as everywhere. */
  function review({ document, name, value }: Cell, changed: Node) {
    setEdited(undefined);
    const { node } = document;
    if (node.kind !== "object" || write(changed) === write(value)) return;
    onEdit(document, setAt(node, [node.members.findIndex((each) => each.name === name)], changed));
  }

  return (
    <>
      <Grid<Doc>
        label="Documents"
        rows={documents}
        columns={columns}
        rowKey={(row) => row.key}
        rowHeight={30}
        selected={selected}
        onSelect={(row) => {
          setSelected(row.key);
        }}
        onOpen={(row) => onEdit(row)}
      />
      {edited ? (
        <CellEditor
          cell={edited}
          onClose={() => setEdited(undefined)}
          onDone={(changed) => review(edited, changed)}
        />
      ) : null}
    </>
  );
}
