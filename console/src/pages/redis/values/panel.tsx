import { type FormEvent, type ReactNode, useId, useState } from "react";
import { Button, Failure, SidePanel } from "@/ui";

/** A form in a panel at the right: adds one thing. */
export function FormPanel({
  open,
  onOpenChange,
  title,
  action,
  disabled = false,
  onSubmit,
  children,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** The verb on the button. */
  action: string;
  disabled?: boolean;
  /** Does it; the panel closes when it has. */
  onSubmit: () => Promise<unknown>;
  children: ReactNode;
}) {
  const form = useId();
  const [running, setRunning] = useState(false);
  const [error, setError] = useState<unknown>();

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (disabled || running) return;
    setRunning(true);
    setError(undefined);
    try {
      await onSubmit();
      onOpenChange(false);
    } catch (failure) {
      setError(failure);
    } finally {
      setRunning(false);
    }
  }

  return (
    <SidePanel
      open={open}
      onOpenChange={onOpenChange}
      title={title}
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Cancel</Button>
          <Button kind="primary" type="submit" form={form} disabled={disabled} loading={running}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        {children}
        {error !== undefined ? <Failure error={error} /> : null}
      </form>
    </SidePanel>
  );
}
