import { SidePanel } from "@/ui";

/** Registers a database. */
export function AddDatabase({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  return (
    <SidePanel wide open={open} onOpenChange={onOpenChange} title="Add a database">
      <p />
    </SidePanel>
  );
}
