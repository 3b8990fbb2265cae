import type { MongoSchemaField } from "@studio-databases/client/react";
import { type Column, Empty, Grid } from "@/ui";
import { colourOf, percent } from "./types";

const COLUMNS: readonly Column<MongoSchemaField>[] = [
  {
    id: "path",
    header: "Field",
    width: "minmax(8rem, 1fr)",
    cell: (field) => (
      <span
        className="font-mono text-xs"
        style={{ paddingLeft: `${Math.min(8, depthOf(field)) * 0.75}rem` }}
        title={field.path}
      >
        {field.names.length > 1 || field.items ? lastOf(field) : field.path}
      </span>
    ),
  },
  {
    id: "types",
    header: "Types",
    width: "8.5rem",
    cell: (field) => <TypeBar field={field} />,
  },
  {
    id: "there",
    header: "There",
    width: "5rem",
    align: "right",
    cell: (field) => (field.items ? "" : percent(field.parents > 0 ? field.count / field.parents : 0)),
  },
];

/** The fields, those of a document below it. */
export function FieldList({
  fields,
  chosen,
  onChoose,
}: {
  fields: readonly MongoSchemaField[];
  chosen: string | undefined;
  onChoose: (path: string) => void;
}) {
  return (
    <Grid<MongoSchemaField>
      label="Fields"
      rows={fields}
      columns={COLUMNS}
      rowKey={(field) => field.path}
      rowHeight={30}
      selected={chosen}
      onSelect={(field) => onChoose(field.path)}
      empty={<Empty title="No such field." />}
    />
  );
}

/** Documents and arrays around it. */
function depthOf(field: MongoSchemaField): number {
  return field.names.length - 1 + field.path.split("[]").length - 1;
}

function lastOf(field: MongoSchemaField): string {
  return field.items ? "[ items ]" : (field.names.at(-1) ?? field.path);
}

/** The types of a field as parts of a bar; the largest is named. */
function TypeBar({ field }: { field: MongoSchemaField }) {
  const label = field.types.map((each) => `${each.type} ${percent(each.share)}`).join(", ");
  return (
    <span className="flex items-center gap-2" title={label}>
      <span aria-hidden className="flex h-2 w-10 shrink-0 overflow-hidden rounded bg-surface-300">
        {field.types.map((each) => (
          <span
            key={each.type}
            style={{ width: `${each.share * 100}%`, background: `var(${colourOf(each.type)})` }}
          />
        ))}
      </span>
      <span className="truncate text-xs">
        {field.types[0]?.type}
        {field.types.length > 1 ? ` +${field.types.length - 1}` : ""}
      </span>
    </span>
  );
}
