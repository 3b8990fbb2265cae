/** The keys of a Redis beside the one that is open. */

import {
  blobId,
  type Content,
  keys,
  nameBlob,
  type RedisKeyDetails,
  type RedisName,
  readable,
} from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { Copy, Trash2 } from "lucide-react";
import { useCallback, useState } from "react";
import { Button, Empty, type MenuItems, toast } from "@/ui";
import { AddKey } from "./add";
import { useRedis } from "./context";
import { KeyView } from "./key";
import { DeleteKey } from "./key/delete";
import { KeyList } from "./keys/list";
import { globOf, quoted } from "./keys/pattern";
import { ScanProgress } from "./keys/progress";
import { KeysToolbar } from "./keys/toolbar";
import { KeyTree } from "./keys/tree";
import { useScan } from "./keys/use-scan";
import { chosenKey, keySearch, type RedisSearch } from "./search";

export function Browser({
  search,
  onSearch,
}: {
  search: RedisSearch;
  onSearch: (change: RedisSearch, replace?: boolean) => void;
}) {
  const { id, may } = useRedis();
  const queries = useQueryClient();
  const [adding, setAdding] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const { pattern = "", type = "" } = search;
  const isTree = search.layout === "tree" && !pattern;
  const { scan, state, restart } = useScan(id, { pattern: globOf(pattern), type }, !isTree);
  const chosen = chosenKey(search);
  const mayDelete = may("redis.key.delete");

  const onEnd = useCallback(() => {
    if (scan.state.status === "paused") scan.more();
  }, [scan]);
  const learn = useCallback(
    (name: RedisName, details: RedisKeyDetails | undefined) => {
      scan.table.update(name, details, details?.at);
      scan.touch();
    },
    [scan],
  );

  /** Going through the list must not fill the history. */
  function choose(name: RedisName | undefined) {
    onSearch(keySearch(name), chosen !== undefined);
  }

  function refresh() {
    restart();
    void queries.resetQueries({ queryKey: keys.engine("redis", id, "namespaces") });
  }

  const menu: MenuItems = [
    {
      label: "Copy the name",
      icon: <Copy size={13} aria-hidden />,
      disabled: !chosen,
      onSelect: () => {
        if (chosen) navigator.clipboard.writeText(readable(nameBlob(chosen))).catch(toast.failed);
      },
    },
    ...(mayDelete
      ? [
          null,
          {
            label: "Delete…",
            icon: <Trash2 size={13} aria-hidden />,
            shortcut: "Del",
            danger: true,
            disabled: !chosen,
            onSelect: () => setDeleting(true),
          },
        ]
      : []),
  ];

  return (
    <div className="flex min-h-0 flex-1">
      <aside aria-label="Keys" className="flex w-[clamp(20rem,38%,36rem)] shrink-0 flex-col border-r">
        <KeysToolbar
          pattern={pattern}
          type={type}
          layout={isTree ? "tree" : "list"}
          onFilter={(filter) => onSearch(filter)}
          onLayout={(layout) => onSearch({ layout, ...(layout === "tree" ? { pattern: "" } : {}) })}
          onRefresh={refresh}
          onAdd={() => setAdding(true)}
        />
        {isTree ? (
          <KeyTree
            type={type}
            chosen={chosen}
            onChoose={choose}
            onList={(prefix: Content) =>
              onSearch({ layout: "list", pattern: `${quoted(readable(prefix))}*` })
            }
          />
        ) : (
          <>
            <KeyList
              key={`${pattern} ${type}`}
              table={scan.table}
              version={state}
              chosen={chosen}
              onChoose={choose}
              onDelete={mayDelete ? () => setDeleting(true) : undefined}
              onEnd={onEnd}
              menu={menu}
            >
              {state.status === "done" ? (
                <Empty
                  title={pattern || type ? "No key matches." : "This database has no keys."}
                  action={
                    pattern || type ? (
                      <Button onClick={() => onSearch({ pattern: "", type: "" })}>Show all keys</Button>
                    ) : may("redis.key.set") ? (
                      <Button onClick={() => setAdding(true)}>Add the first one</Button>
                    ) : undefined
                  }
                >
                  {pattern ? `Looked for ${globOf(pattern)}` : null}
                </Empty>
              ) : null}
            </KeyList>
            <ScanProgress scan={scan} state={state} />
          </>
        )}
      </aside>
      {chosen ? (
        <KeyView
          key={blobId(nameBlob(chosen))}
          name={chosen}
          onName={(name) => onSearch(keySearch(name), true)}
          onDelete={() => setDeleting(true)}
          onDetails={learn}
        />
      ) : (
        <div className="min-w-0 flex-1">
          <Empty title="Choose a key to see its value.">
            Arrow keys walk through the list{mayDelete ? ", Delete removes the chosen key" : ""}.
          </Empty>
        </div>
      )}
      <AddKey
        open={adding}
        onOpenChange={setAdding}
        onAdded={(name) => {
          restart();
          onSearch({ ...keySearch(name) });
        }}
      />
      {chosen ? (
        <DeleteKey
          open={deleting}
          onOpenChange={setDeleting}
          name={chosen}
          onDeleted={() => {
            learn(chosen, undefined);
            onSearch(keySearch(undefined), true);
          }}
        />
      ) : null}
    </div>
  );
}
