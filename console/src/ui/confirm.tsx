import { type ReactNode, useState } from "react";
import { Button } from "./button";
import { Field, Input } from "./field";
import { Dialog } from "./overlay";

export interface ConfirmProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: string;
  /** What will happen, plainly. */
  children: ReactNode;
  /** The verb on the button. */
  action: string;
  /** To be typed before the button can be pressed. */
  typed?: string;
  /** Does it; the dialog stays open while it runs, and with its error shown. */
  onConfirm: () => Promise<unknown>;
}

/** Asks before something that can't be taken back. */
export function Confirm({ open, onOpenChange, title, children, action, typed, onConfirm }: ConfirmProps) {
  const [text, setText] = useState("");
  const [running, setRunning] = useState(false);
  const [error, setError] = useState("");

  async function run() {
    setRunning(true);
    setError("");
    try {
      await onConfirm();
      setText("");
      onOpenChange(false);
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    } finally {
      setRunning(false);
    }
  }

  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={title}
      footer={
        <>
          <Button onClick={() => onOpenChange(false)}>Cancel</Button>
          <Button
            kind="danger"
            loading={running}
            disabled={typed !== undefined && text !== typed}
            onClick={run}
          >
            {action}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4 text-sm text-text-light">
        {children}
        {typed !== undefined ? (
          <Field
            label={
              <>
                Type <code className="font-mono text-text">{typed}</code> to confirm
              </>
            }
          >
            {(control) => (
              <Input
                {...control}
                value={text}
                autoComplete="off"
                onChange={(event) => setText(event.target.value)}
              />
            )}
          </Field>
        ) : null}
        {error ? (
          <p role="alert" className="rounded-md border border-danger bg-danger-surface px-3 py-2 text-danger">
            {error}
          </p>
        ) : null}
      </div>
    </Dialog>
  );
}
