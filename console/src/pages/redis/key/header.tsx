import { nameBlob, type RedisKeyDetails, type RedisName, readable } from "@studio-databases/client/react";
import { Copy as CopyIcon, EllipsisVertical, Pencil, RefreshCw, Timer, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { bytes, count, duration } from "@/lib/format";
import { Badge, Copy, IconButton, Menu, type MenuItems } from "@/ui";
import { useRedis } from "../context";
import { Ttl } from "../ttl";
import { TypeBadge } from "../type-badge";
import { ExpireKey } from "./expire";
import { NewName } from "./new-name";

/** What is known of a key, and what can be done with it as a whole. */
export function KeyHeader({
  name,
  details,
  onName,
  onDelete,
  onRefresh,
}: {
  name: RedisName;
  details: RedisKeyDetails;
  onName: (name: RedisName) => void;
  onDelete: () => void;
  onRefresh: () => void;
}) {
  const { may } = useRedis();
  const [open, setOpen] = useState<"rename" | "copy" | "expire">();
  const text = readable(nameBlob(name));
  const mayExpire = may("redis.key.expire");
  const expiresAt = details.ttl_ms < 0 ? -1 : details.at + details.ttl_ms;
  const items: MenuItems = [
    ...(may("redis.key.rename")
      ? [{ label: "Rename…", icon: <Pencil size={13} aria-hidden />, onSelect: () => setOpen("rename") }]
      : []),
    ...(may("redis.key.copy")
      ? [{ label: "Copy to…", icon: <CopyIcon size={13} aria-hidden />, onSelect: () => setOpen("copy") }]
      : []),
    ...(mayExpire
      ? [{ label: "Expiry…", icon: <Timer size={13} aria-hidden />, onSelect: () => setOpen("expire") }]
      : []),
    ...(may("redis.key.delete")
      ? [
          null,
          {
            label: "Delete…",
            icon: <Trash2 size={13} aria-hidden />,
            shortcut: "Del in the list",
            danger: true,
            onSelect: onDelete,
          },
        ]
      : []),
  ];
  return (
    <header className="border-b px-4 py-2.5">
      <div className="flex items-center gap-2">
        <TypeBadge type={details.type} />
        <h2 className="max-h-10 min-w-0 overflow-y-auto font-mono text-sm break-all">
          {text || <span className="text-text-muted">empty name</span>}
        </h2>
        {name.key_base64 ? <Badge tone="info">binary name</Badge> : null}
        <Copy text={text} label="Copy the name" />
        <div className="flex-1" />
        <IconButton label="Load anew" onClick={onRefresh}>
          <RefreshCw size={14} aria-hidden />
        </IconButton>
        {items.length > 0 ? (
          <Menu
            trigger={
              <IconButton label="What to do with the key">
                <EllipsisVertical size={15} aria-hidden />
              </IconButton>
            }
            items={items}
          />
        ) : null}
      </div>
      <dl className="mt-1.5 flex flex-wrap items-center gap-x-5 gap-y-1 text-xs">
        <Fact label="TTL">
          {mayExpire ? (
            <button
              type="button"
              title="Change when it expires"
              className="underline decoration-dotted underline-offset-2"
              onClick={() => setOpen("expire")}
            >
              <Ttl expiresAt={expiresAt} never="never expires" />
            </button>
          ) : (
            <Ttl expiresAt={expiresAt} never="never expires" />
          )}
        </Fact>
        <Fact label="Memory">
          <span title="As MEMORY USAGE estimates by sampling">
            {details.memory_bytes < 0 ? "unknown" : `~${bytes(details.memory_bytes)}`}
          </span>
        </Fact>
        {details.length >= 0 ? (
          <Fact label={details.type === "string" ? "Size" : "Entries"}>
            {details.type === "string" ? bytes(details.length) : count(details.length)}
          </Fact>
        ) : null}
        {details.encoding ? <Fact label="Encoding">{details.encoding}</Fact> : null}
        {details.idle_s >= 0 ? <Fact label="Idle">{duration(details.idle_s * 1000)}</Fact> : null}
        {details.frequency >= 0 ? <Fact label="Uses (LFU)">{count(details.frequency)}</Fact> : null}
      </dl>
      <NewName
        key={open}
        kind={open === "copy" ? "copy" : "rename"}
        name={name}
        open={open === "rename" || open === "copy"}
        onOpenChange={() => setOpen(undefined)}
        onDone={onName}
      />
      <ExpireKey
        name={name}
        ttlMs={details.ttl_ms}
        open={open === "expire"}
        onOpenChange={() => setOpen(undefined)}
      />
    </header>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="flex gap-1.5">
      <dt className="text-text-muted">{label}</dt>
      <dd className="tabular-nums">{children}</dd>
    </div>
  );
}
