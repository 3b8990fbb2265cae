/** The names as a tree: a level is counted when it is opened. */

import {
  blobId,
  type Content,
  nameBlob,
  nameOf,
  type RedisName,
  readable,
} from "@studio-databases/client/react";
import { clsx } from "clsx";
import { ChevronDown, ChevronRight, List } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { count, short } from "@/lib/format";
import { Button, Empty, Failure, IconButton, Loading } from "@/ui";
import { useRedis } from "../context";
import { InlineField } from "../inline-field";
import { useLevel } from "./namespaces";

/** Keys of one level that are drawn; a level with more is better looked at as a list. */
const MOST_DRAWN = 1_000;

interface TreeProps {
  type: string;
  chosen: RedisName | undefined;
  onChoose: (name: RedisName) => void;
  /** Lists what begins with a prefix. */
  onList: (prefix: Content) => void;
}

export function KeyTree(props: TreeProps) {
  const [separator, setSeparator] = useState(":");
  return (
    <>
      <div className="border-b px-3 py-1.5">
        <InlineField
          label="Separator"
          className="!h-6 !w-16 font-mono"
          maxLength={16}
          value={separator}
          onChange={(event) => setSeparator(event.target.value)}
        />
      </div>
      <ul aria-label="Namespaces" className="min-h-0 flex-1 overflow-y-auto py-1 text-xs" onKeyDown={move}>
        <LevelView {...props} separator={separator || ":"} prefix={undefined} depth={0} />
      </ul>
    </>
  );
}

interface LevelProps extends TreeProps {
  separator: string;
  prefix: Content | undefined;
  depth: number;
}

function LevelView(props: LevelProps) {
  const { prefix, separator, type, depth, chosen, onChoose } = props;
  const { id } = useRedis();
  const found = useLevel(id, prefix, separator, type);
  const { level } = found;
  const before = prefix ? readable(prefix).length : 0;
  const chosenId = chosen ? blobId(nameBlob(chosen)) : "";
  if (found.isError) {
    return (
      <li>
        <Failure className="m-2" error={found.error} onRetry={() => found.refetch()} />
      </li>
    );
  }
  return (
    <>
      {level.groups.map((group) => (
        <GroupView
          key={group.id}
          {...props}
          group={group.prefix}
          keys={group.keys}
          isPartial={found.hasNextPage}
          before={before}
        />
      ))}
      {level.keys.slice(0, MOST_DRAWN).map((key) => {
        const keyId = blobId(key);
        return (
          <li key={keyId}>
            <button
              type="button"
              data-depth={depth}
              aria-current={keyId === chosenId ? "true" : undefined}
              onClick={() => onChoose(nameOf(key))}
              className={clsx(
                "flex h-7 w-full items-center truncate pr-3 text-left font-mono -outline-offset-2",
                key.value_base64 && "text-info",
                keyId === chosenId ? "bg-surface-300" : "hover:bg-surface-200",
              )}
              style={{ paddingLeft: `${depth * 1 + 2}rem` }}
              title={readable(key)}
            >
              <span className="truncate">{readable(key).slice(before) || "empty name"}</span>
            </button>
          </li>
        );
      })}
      <li style={{ paddingLeft: `${depth * 1 + 1}rem` }}>
        {found.isFetching ? (
          <span className="flex items-center">
            <Loading className="!p-1.5 !text-xs">
              {level.total > 0 ? `Counting: ${short(level.scanned)} of ~${short(level.total)}` : "Counting…"}
            </Loading>
            {found.hasNextPage ? (
              <Button kind="text" onClick={found.stop}>
                Stop
              </Button>
            ) : null}
          </span>
        ) : null}
        {found.hasNextPage && !found.isFetching ? (
          <p className="p-1.5 text-text-light">
            Looked at {short(level.scanned)} of ~{short(level.total)}: counts are too low.{" "}
            <Button kind="text" onClick={found.more}>
              Count on
            </Button>
          </p>
        ) : null}
        {level.omitted > 0 || level.keys.length > MOST_DRAWN ? (
          <p className="p-1.5 text-text-light">
            {count(level.omitted + Math.max(0, level.keys.length - MOST_DRAWN))} more are not shown.{" "}
            {prefix ? (
              <Button kind="text" onClick={() => props.onList(prefix)}>
                List them
              </Button>
            ) : null}
          </p>
        ) : null}
        {found.isSuccess && !found.hasNextPage && level.groups.length + level.keys.length === 0 ? (
          depth === 0 ? (
            <Empty title="No keys." />
          ) : (
            <p className="p-1.5 text-text-light">Nothing is left here.</p>
          )
        ) : null}
      </li>
    </>
  );
}

function GroupView({
  group,
  keys,
  isPartial,
  before,
  ...props
}: LevelProps & { group: Content; keys: number; isPartial: boolean; before: number }) {
  const [isOpen, setOpen] = useState(false);
  const { depth } = props;
  const text = readable(group);
  return (
    <li className="group">
      <div className="flex items-center pr-2 hover:bg-surface-200">
        <button
          type="button"
          data-depth={depth}
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          className="flex h-7 min-w-0 flex-1 items-center gap-1 text-left -outline-offset-2"
          style={{ paddingLeft: `${depth * 1 + 0.75}rem` }}
          title={text}
        >
          {isOpen ? <ChevronDown size={13} aria-hidden /> : <ChevronRight size={13} aria-hidden />}
          <span className="min-w-0 flex-1 truncate font-mono">{text.slice(before)}</span>
          <span className="text-text-muted tabular-nums" title={isPartial ? "At least" : undefined}>
            {isPartial ? "≥ " : ""}
            {count(keys)}
          </span>
        </button>
        <IconButton label={`List what begins with ${text}`} onClick={() => props.onList(group)}>
          <List size={13} aria-hidden />
        </IconButton>
      </div>
      {isOpen ? (
        <ul>
          <LevelView {...props} prefix={group} depth={depth + 1} />
        </ul>
      ) : null}
    </li>
  );
}

/** Arrow keys, as in a tree: https://www.w3.org/WAI/ARIA/apg/patterns/treeview/#keyboardinteraction */
function move(event: KeyboardEvent<HTMLElement>) {
  const items = [...event.currentTarget.querySelectorAll<HTMLElement>("[data-depth]")];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const item = items[at];
  if (!item) return;
  const target = step(event.key, items, at, item);
  if (target === undefined) return;
  event.preventDefault();
  if (target === item) item.click();
  else target?.focus();
}

/** The item to go to: `item` itself is to be opened or closed, null is nowhere, undefined is no key of ours. */
function step(
  key: string,
  items: HTMLElement[],
  at: number,
  item: HTMLElement,
): HTMLElement | null | undefined {
  const expanded = item.getAttribute("aria-expanded");
  switch (key) {
    case "ArrowDown":
      return items[at + 1] ?? null;
    case "ArrowUp":
      return items[at - 1] ?? null;
    case "Home":
      return items[0];
    case "End":
      return items.at(-1);
    case "ArrowRight":
      if (expanded === null) return null;
      return expanded === "true" ? (items[at + 1] ?? null) : item;
    case "ArrowLeft": {
      if (expanded === "true") return item;
      const depth = Number(item.dataset.depth);
      return items.slice(0, at).findLast((each) => Number(each.dataset.depth) < depth) ?? null;
    }
    default:
      return undefined;
  }
}
