/** Who is connected to the server. */

import {
  type Database,
  type RedisClient,
  type RedisClientType,
  useKillRedisClient,
  useMay,
  useRedisClients,
} from "@studio-databases/client/react";
import { X } from "lucide-react";
import { useMemo, useState } from "react";
import { isMarked } from "@/lib/engines";
import { count, duration, bytes as size } from "@/lib/format";
import {
  Asked,
  Badge,
  Checkbox,
  type Column,
  Confirm,
  Empty,
  Grid,
  IconButton,
  Input,
  Reload,
  Select,
  toast,
} from "@/ui";

const EVERY_MS = 5_000;
const TYPES: readonly (readonly [RedisClientType, string])[] = [
  ["", "All kinds"],
  ["normal", "Normal"],
  ["pubsub", "Pub/sub"],
  ["replica", "Replicas"],
  ["master", "Masters"],
];

const COLUMNS: readonly Column<RedisClient>[] = [
  { id: "id", header: "Id", width: "5rem", align: "right", cell: (client) => client.id },
  {
    id: "address",
    header: "Address",
    width: "minmax(10rem, 1fr)",
    cell: (client) => <span className="font-mono text-xs">{client.address}</span>,
  },
  {
    id: "name",
    header: "Name",
    width: "minmax(10rem, 1fr)",
    cell: (client) => (
      <span className="flex items-center gap-1.5">
        {client.ours ? <Badge tone="info">this system</Badge> : null}
        <span className="truncate" title={client.library}>
          {client.name || client.library || "–"}
        </span>
      </span>
    ),
  },
  { id: "user", header: "User", width: "6rem", cell: (client) => client.user || "–" },
  { id: "db", header: "DB", width: "3.5rem", align: "right", cell: (client) => client.database },
  {
    id: "command",
    header: "Last command",
    width: "8rem",
    cell: (client) => <span className="font-mono text-xs">{client.command}</span>,
  },
  {
    id: "age",
    header: "Connected",
    width: "7rem",
    align: "right",
    cell: (client) => duration(client.age_s * 1000),
  },
  {
    id: "idle",
    header: "Idle",
    width: "7rem",
    align: "right",
    cell: (client) => duration(client.idle_s * 1000),
  },
  {
    id: "memory",
    header: "Memory",
    width: "6rem",
    align: "right",
    cell: (client) => (client.memory_bytes < 0 ? "–" : size(client.memory_bytes)),
  },
];
const NODE: Column<RedisClient> = {
  id: "node",
  header: "Node",
  width: "12rem",
  cell: (client) => client.node,
};

export default function Clients({ database }: { database: Database }) {
  const [type, setType] = useState<RedisClientType>("");
  const [text, setText] = useState("");
  const [isLive, setLive] = useState(false);
  const [victim, setVictim] = useState<RedisClient>();
  const allowed = useMay(database.id);
  const mayKill = allowed("redis.server.client_kill") && !isMarked(database, "readonly");
  const found = useRedisClients(database.id, type, isLive ? EVERY_MS : undefined);
  const kill = useKillRedisClient(database.id);
  const all = found.data?.clients;
  const rows = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return (all ?? []).filter((client) =>
      [client.id, client.address, client.name, client.user, client.command, client.library]
        .join(" ")
        .toLowerCase()
        .includes(wanted),
    );
  }, [all, text]);
  const columns = useMemo(() => {
    const found = all?.some((client) => client.node) ? [...COLUMNS, NODE] : [...COLUMNS];
    if (!mayKill) return found;
    return [
      ...found,
      {
        id: "kill",
        header: <span className="sr-only">Close</span>,
        width: "3.5rem",
        cell: (client: RedisClient) => (
          <IconButton label={`Close the connection of ${client.address}`} onClick={() => setVictim(client)}>
            <X size={14} aria-hidden />
          </IconButton>
        ),
      },
    ];
  }, [all, mayKill]);

  async function close(client: RedisClient) {
    const { killed } = await kill.mutateAsync(client);
    if (killed) toast.done(`The connection of ${client.address} is closed.`);
    else toast.failed(`Client ${client.id} was gone already.`);
  }

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-3 border-b px-3 py-2">
        <Input
          aria-label="Filter the clients"
          placeholder="Address, name, user, command"
          className="!h-7 !w-64 !text-xs"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Select
          aria-label="Kind"
          className="!h-7 !w-32 !text-xs"
          value={type}
          onChange={(event) => setType(event.target.value as RedisClientType)}
        >
          {TYPES.map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </Select>
        <div className="flex-1" />
        <Checkbox
          label={`Every ${EVERY_MS / 1000} s`}
          checked={isLive}
          onChange={(event) => setLive(event.target.checked)}
        />
        <Reload of={found} label="List again" />
      </div>
      <Asked of={found}>Listing the clients…</Asked>
      {found.isSuccess ? (
        <>
          <Grid<RedisClient>
            label="Clients"
            rows={rows}
            columns={columns}
            rowKey={(client) => `${client.node} ${client.id}`}
            empty={<Empty title={text ? "No client matches." : "No client of this kind."} />}
          />
          <footer className="flex h-9 shrink-0 items-center border-t px-3 text-xs text-text-light">
            {count(rows.length)} of {count(found.data.total)} clients, the largest in memory first
          </footer>
        </>
      ) : null}
      <Confirm
        open={victim !== undefined}
        onOpenChange={() => setVictim(undefined)}
        title="Close this connection?"
        action="Close the connection"
        onConfirm={async () => {
          if (victim) await close(victim);
        }}
      >
        <p>
          Client {victim?.id} of {victim?.address} {victim?.name ? `(${victim.name}) ` : ""}
          loses its connection; what it waits for fails. Most clients connect again by themselves.
        </p>
      </Confirm>
    </div>
  );
}
