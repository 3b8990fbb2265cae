/** The indexes of a collection: what they cost, whether they are used; build, hide, drop. */

import {
  type MongoIndex,
  type MongoIndexes,
  useDropMongoIndex,
  useMay,
  useModifyMongoIndex,
  useMongoIndexes,
} from "@studio-databases/client/react";
import { Ellipsis, Plus } from "lucide-react";
import { useState } from "react";
import { get, type Node } from "@/lib/ejson";
import { ago, bytes, count } from "@/lib/format";
import { Button, type Column, Confirm, Empty, Failure, Grid, Loading, Menu, Reload, toast } from "@/ui";
import { type Exact, listOf, readExact } from "../exact";
import { Missing, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { BuildIndex } from "./build";
import { IndexDetails } from "./details";
import { canExpire, Expiry } from "./expiry";
import { keyLine, keysOf } from "./keys";
import { IndexMarks } from "./marks";

type Row = Exact<MongoIndex>;

const keysOfRow = (document: Node) => {
  const key = get(document, "key");
  return key ? keysOf(key) : [];
};

const isBuilding = (found: Exact<MongoIndexes>) => found.data.indexes.some((each) => each.build);

export function Indexes({ databaseId, databaseName, collection }: WorkProps) {
  const of = { databaseName, collection };
  const may = useMay(databaseId);
  const found = useMongoIndexes(databaseId, of, readExact<MongoIndexes>, isBuilding);
  const modify = useModifyMongoIndex(databaseId, of);
  const drop = useDropMongoIndex(databaseId, of);
  const [building, setBuilding] = useState(false);
  const [dropping, setDropping] = useState<MongoIndex>();
  const [opened, setOpened] = useState<string>();
  const [expiring, setExpiring] = useState<MongoIndex>();

  if (found.isPending) return <Loading>Loading indexes…</Loading>;
  if (found.isError) return <Failure className="m-4" error={found.error} onRetry={() => found.refetch()} />;
  const { data, node } = found.data;
  const nodes = listOf(node, "indexes");
  const rows = data.indexes.flatMap((each, at): Row[] => {
    const document = nodes[at];
    return document ? [{ data: each, node: document }] : [];
  });
  const total = rows.reduce((sum, each) => sum + Math.max(0, each.data.size_bytes), 0);

  function actions({ data: index, node: document }: Row) {
    if (index.name === "_id_") return [];
    return [
      ...(may("mongodb.index.modify") && !index.build
        ? [
            {
              label: index.hidden ? "Show to queries" : "Hide from queries",
              onSelect: () =>
                modify.mutate(
                  { name: index.name, hidden: !index.hidden },
                  {
                    onSuccess: () =>
                      toast.done(`${index.name} is ${index.hidden ? "used again" : "hidden from queries"}.`),
                    onError: toast.failed,
                  },
                ),
            },
          ]
        : []),
      ...(may("mongodb.index.modify") && canExpire(index, keysOfRow(document).length)
        ? [
            {
              label: index.expire_after_seconds < 0 ? "Have documents expire…" : "Change when they expire…",
              onSelect: () => setExpiring(index),
            },
          ]
        : []),
      ...(may("mongodb.index.drop")
        ? [
            {
              label: index.build ? "Abort the build…" : "Drop…",
              danger: true,
              onSelect: () => setDropping(index),
            },
          ]
        : []),
    ];
  }

  const columns: readonly Column<Row>[] = [
    {
      id: "name",
      header: "Name",
      width: "minmax(11rem, 11fr)",
      cell: ({ data: index }) => (
        <span className={index.hidden ? "text-text-muted" : ""} title={index.name}>
          {index.name}
        </span>
      ),
    },
    {
      id: "keys",
      header: "Keys",
      width: "minmax(11rem, 11fr)",
      cell: (row) => {
        return <span className="font-mono text-xs">{keyLine(keysOfRow(row.node))}</span>;
      },
    },
    {
      id: "marks",
      header: "Properties",
      width: "minmax(10rem, 10fr)",
      cell: (row) => <IndexMarks index={row.data} />,
    },
    {
      id: "size",
      header: "Size",
      width: "6.5rem",
      align: "right",
      cell: ({ data: index }) => (index.size_bytes < 0 ? "–" : bytes(index.size_bytes)),
    },
    {
      id: "used",
      header: "Used",
      width: "9rem",
      align: "right",
      cell: ({ data: index }) =>
        index.used < 0 ? (
          "–"
        ) : (
          <span title={index.used_since ? `since ${index.used_since}` : undefined}>
            {count(index.used)} <span className="text-text-muted">{sinceOf(index)}</span>
          </span>
        ),
    },
    {
      id: "more",
      header: <span className="sr-only">Actions</span>,
      width: "3.5rem",
      cell: (row) => {
        const index = row.data;
        const items = actions(row);
        if (items.length === 0) return null;
        return (
          // The row's own click opens its details.
          // biome-ignore lint/a11y/noStaticElementInteractions: nothing to do but to keep the click
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys of the button stay with it
          <span onClick={(event) => event.stopPropagation()}>
            <Menu
              trigger={
                <Button kind="text" aria-label={`Actions for ${index.name}`} className="!px-1.5">
                  <Ellipsis size={16} aria-hidden />
                </Button>
              }
              items={items}
            />
          </span>
        );
      },
    },
  ];

  const chosen = rows.find((each) => each.data.name === opened);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>
        <Reload of={found} />
        <div className="flex-1" />
        {may("mongodb.index.create") ? (
          <Button kind="primary" icon={<Plus size={13} aria-hidden />} onClick={() => setBuilding(true)}>
            Build an index
          </Button>
        ) : null}
      </Toolbar>
      <Grid<Row>
        label="Indexes"
        rows={rows}
        columns={columns}
        rowKey={(row) => row.data.name}
        selected={opened}
        onSelect={(row) => setOpened(row.data.name)}
        empty={<Empty title="No indexes.">A view has none.</Empty>}
      />
      <Missing of={data.unavailable} />
      <p className="border-t px-4 py-1.5 text-xs text-text-light">
        {rows.length} of 64 indexes{total > 0 ? `, ${bytes(total)}` : ""}
      </p>
      {building ? <BuildIndex databaseId={databaseId} of={of} onClose={() => setBuilding(false)} /> : null}
      {expiring ? (
        <Expiry databaseId={databaseId} of={of} index={expiring} onClose={() => setExpiring(undefined)} />
      ) : null}
      {chosen ? (
        <IndexDetails row={chosen} actions={actions(chosen)} onClose={() => setOpened(undefined)} />
      ) : null}
      <Confirm
        open={dropping !== undefined}
        onOpenChange={(open) => !open && setDropping(undefined)}
        title={dropping?.build ? `Abort the build of ${dropping.name}?` : `Drop ${dropping?.name}?`}
        action={dropping?.build ? "Abort" : "Drop"}
        onConfirm={() => (dropping ? drop.mutateAsync(dropping.name) : Promise.resolve())}
      >
        <p>
          {dropping?.build
            ? "What is built together with it is aborted, too."
            : "Queries that use it become slow at once, and building it anew takes a while. Hide it first to see who misses it."}
        </p>
      </Confirm>
    </div>
  );
}

function sinceOf(index: MongoIndex): string {
  return index.used_since
    ? `in ${ago(index.used_since).replace(" ago", "").replace("just now", "a moment")}`
    : "";
}
