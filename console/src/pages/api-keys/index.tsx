/** API keys: who else may call, with which role, until when. */

import { type ApiKey, useApiKeys, useMay, useRevokeApiKey } from "@studio-databases/client/react";
import { Plus } from "lucide-react";
import { useState } from "react";
import { ago, moment } from "@/lib/format";
import { Asked, Badge, Button, type Column, Confirm, Empty, Grid } from "@/ui";
import { CreateKey } from "./create";

function State({ apiKey }: { apiKey: ApiKey }) {
  if (apiKey.revoked_at) return <Badge tone="bad">revoked</Badge>;
  if (apiKey.expires_at && Date.parse(apiKey.expires_at) < Date.now()) return <Badge>expired</Badge>;
  return <Badge tone="good">valid</Badge>;
}

export function ApiKeysPage() {
  const found = useApiKeys();
  const may = useMay();
  const revoke = useRevokeApiKey();
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey>();
  const rows = found.data?.pages.flatMap((page) => page.api_keys) ?? [];
  const columns: readonly Column<ApiKey>[] = [
    {
      id: "name",
      header: "Name",
      width: "minmax(12rem, 2fr)",
      cell: (key) => <span className="font-medium">{key.name}</span>,
    },
    {
      id: "role",
      header: "Role",
      width: "8rem",
      cell: (key) => (key.role === "none" ? "grants only" : key.role),
    },
    {
      id: "projects",
      header: "Projects",
      width: "minmax(9rem, 1fr)",
      cell: (key) => (key.project_refs.length ? key.project_refs.join(", ") : "all"),
    },
    { id: "state", header: "State", width: "6.5rem", cell: (key) => <State apiKey={key} /> },
    {
      id: "expires",
      header: "Expires",
      width: "12rem",
      cell: (key) => (
        <span className="text-text-light">{key.expires_at ? moment(key.expires_at) : "never"}</span>
      ),
    },
    {
      id: "used",
      header: "Last used",
      width: "9rem",
      cell: (key) => (
        <span className="text-text-light" title={key.last_used_at ? moment(key.last_used_at) : ""}>
          {key.last_used_at ? ago(key.last_used_at) : "never"}
        </span>
      ),
    },
    {
      id: "subject",
      header: "Known as",
      width: "minmax(10rem, 1fr)",
      cell: (key) => <code className="font-mono text-xs text-text-light">{key.subject}</code>,
    },
    {
      id: "actions",
      header: <span className="sr-only">Actions</span>,
      width: "6rem",
      align: "right",
      cell: (key) =>
        !key.revoked_at && may("registry.api_key.revoke") ? (
          <Button kind="text" onClick={() => setRevoking(key)}>
            Revoke
          </Button>
        ) : null,
    },
  ];
  const add = may("registry.api_key.create") ? (
    <Button kind="primary" icon={<Plus size={14} aria-hidden />} onClick={() => setCreating(true)}>
      Issue a key
    </Button>
  ) : null;

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center justify-between border-b px-3 py-2.5">
        <h1 className="text-sm font-medium">API keys</h1>
        {add}
      </div>
      <Asked of={found} className="m-5">
        Loading API keys…
      </Asked>
      {found.isSuccess ? (
        <Grid<ApiKey>
          label="API keys"
          rows={rows}
          columns={columns}
          rowKey={(key) => key.id}
          rowHeight={40}
          onEnd={() => {
            if (found.hasNextPage && !found.isFetchingNextPage) found.fetchNextPage();
          }}
          empty={
            <Empty title="No API keys yet." action={add}>
              Programs call with a key of their own: named, limited, and revoked at once when need be.
            </Empty>
          }
        />
      ) : null}
      {creating ? <CreateKey open onOpenChange={setCreating} /> : null}
      <Confirm
        open={revoking !== undefined}
        onOpenChange={() => setRevoking(undefined)}
        title={`Revoke ${revoking?.name}?`}
        action="Revoke"
        onConfirm={async () => {
          if (revoking) await revoke.mutateAsync(revoking.id);
        }}
      >
        <p>
          Whoever uses it is refused within a second, everywhere. A revoked key can't be taken back into use.
        </p>
      </Confirm>
    </div>
  );
}
