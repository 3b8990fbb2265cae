/** Dialogs and side panels by the platform's own `<dialog>`: it keeps the focus inside, makes the rest inert and closes on
 * Escape, without a style of its own that the page's Content-Security-Policy would have to allow. */

import { clsx } from "clsx";
import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { IconButton } from "./button";

interface OverlayProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  description?: ReactNode;
  children: ReactNode;
  /** Buttons at the bottom. */
  footer?: ReactNode;
  className?: string;
}

function Overlay({
  open,
  onOpenChange,
  title,
  description,
  children,
  footer,
  className,
  shape,
}: OverlayProps & { shape: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  useEffect(() => {
    const element = dialog.current;
    if (!element || !open) return;
    const before = focused();
    element.showModal();
    return () => {
      element.close();
      // It has left the page by now, and the browser gives the focus back only to what opened one that has not.
      if (before?.isConnected) before.focus();
    };
  }, [open]);

  if (!open) return null;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape does what a click outside does
    <dialog
      ref={dialog}
      aria-labelledby={`${id}-title`}
      aria-describedby={description ? `${id}-description` : undefined}
      onCancel={(event) => {
        event.preventDefault();
        onOpenChange(false);
      }}
      onClick={(event) => {
        if (event.target === dialog.current) onOpenChange(false);
      }}
      className={clsx(
        "fixed m-0 max-h-none max-w-none border border-line-strong bg-overlay p-0 text-text shadow-2xl",
        "backdrop:bg-black/55",
        shape,
        className,
      )}
    >
      <div className="flex h-full max-h-[inherit] flex-col">
        <header className="flex items-start justify-between gap-4 border-b px-5 py-3.5">
          <div className="min-w-0">
            <h2 id={`${id}-title`} className="truncate text-sm font-medium">
              {title}
            </h2>
            {description ? (
              <p id={`${id}-description`} className="mt-0.5 text-xs text-text-light">
                {description}
              </p>
            ) : null}
          </div>
          <IconButton label="Close" onClick={() => onOpenChange(false)}>
            <X size={16} aria-hidden />
          </IconButton>
        </header>
        <div className="min-h-0 flex-1 overflow-y-auto px-5 py-4">{children}</div>
        {footer ? <footer className="flex justify-end gap-2 border-t px-5 py-3">{footer}</footer> : null}
      </div>
    </dialog>
  );
}

/** What has the focus, inside of an editor's shadow root, too. */
function focused(): HTMLElement | null {
  const found = document.activeElement;
  const inner = found?.shadowRoot?.activeElement ?? found;
  return inner instanceof HTMLElement ? inner : null;
}

/** A dialog in the middle, for a decision. */
export function Dialog(props: OverlayProps) {
  return (
    <Overlay
      {...props}
      shape="top-1/2 left-1/2 max-h-[85vh] w-[min(92vw,32rem)] -translate-x-1/2 -translate-y-1/2 rounded-lg"
    />
  );
}

/** A panel from the right, for work on one thing beside its list. */
export function SidePanel({ wide, ...props }: OverlayProps & { wide?: boolean }) {
  return (
    <Overlay
      {...props}
      shape={clsx(
        "inset-y-0 right-0 left-auto h-full border-y-0 border-r-0",
        wide ? "w-[min(96vw,56rem)]" : "w-[min(96vw,36rem)]",
      )}
    />
  );
}
