import type { MongoPrincipal } from "@studio-databases/client/react";
import { type ReactNode, useState } from "react";
import { Checkbox, Confirm, toast } from "@/ui";
import { isSelfHarm } from "./self-harm";

/** Asks before a user or a role is dropped; what this connection itself lives by takes a further word. */
export function DropPrincipal({
  what,
  of,
  ours,
  onClose,
  onDrop,
  children,
}: {
  what: "user" | "role";
  /** Which one; none for nothing to ask. */
  of: MongoPrincipal | undefined;
  /** It is known to be the one that this connection logs in as. */
  ours: boolean;
  onClose: () => void;
  onDrop: (of: MongoPrincipal, force: boolean) => Promise<unknown>;
  /** What happens then. */
  children: ReactNode;
}) {
  const [force, setForce] = useState(false);
  const [refused, setRefused] = useState(false);
  const close = () => {
    setForce(false);
    setRefused(false);
    onClose();
  };
  return (
    <Confirm
      open={of !== undefined}
      onOpenChange={(open) => !open && close()}
      title={`Drop this ${what}?`}
      action="Drop it"
      typed={of?.name ?? ""}
      onConfirm={async () => {
        if (!of) return;
        try {
          await onDrop(of, force);
        } catch (error) {
          setRefused(isSelfHarm(error));
          throw error;
        }
        toast.done(`${of.name} is dropped.`);
      }}
    >
      <p>
        {of?.name} of {of?.databaseName}. {children}
      </p>
      {ours || refused ? (
        <Checkbox
          label="Also where this connection then can't go on"
          checked={force}
          onChange={(event) => setForce(event.target.checked)}
        />
      ) : null}
    </Confirm>
  );
}
