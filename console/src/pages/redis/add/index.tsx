import type { RedisName } from "@studio-databases/client/react";
import { AddKeyForm } from "./form";

/** Adds a key of any type, in a panel at the right. */
export function AddKey({
  open,
  onOpenChange,
  onAdded,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onAdded: (name: RedisName) => void;
}) {
  // Mounted while it is open: it begins empty each time.
  return open ? <AddKeyForm onClose={() => onOpenChange(false)} onAdded={onAdded} /> : null;
}
