import type { MongoOperation } from "@studio-databases/client/react";
import { duration } from "@/lib/format";
import { layOut } from "@/lib/json";
import { Button, Copy, Facts, SidePanel } from "@/ui";

/** An operation with its command. */
export function OperationDetails({
  operation,
  onClose,
  onKill,
}: {
  operation: MongoOperation;
  onClose: () => void;
  onKill: (() => void) | undefined;
}) {
  const facts: readonly (readonly [string, string])[] = [
    ["Id", operation.opid || "–"],
    ["Running for", operation.running_ms < 0 ? "–" : duration(operation.running_ms)],
    ["Collection", operation.namespace || "–"],
    ["Plan", operation.plan_summary || "–"],
    ["Progress", operation.message || "–"],
    ["User", operation.users.join(", ") || "–"],
    ["Client", [operation.app_name, operation.client].filter(Boolean).join(", ") || "–"],
    ["Thread", operation.description || "–"],
    ["Let others go first", operation.yields < 0 ? "–" : `${operation.yields} times`],
  ];
  const command = layOut(operation.command);
  return (
    <SidePanel
      open
      onOpenChange={(open) => !open && onClose()}
      title={`${operation.operation || operation.type} ${operation.namespace}`}
      footer={
        onKill ? (
          <Button kind="danger" onClick={onKill}>
            End the operation…
          </Button>
        ) : undefined
      }
    >
      <Facts facts={facts} />
      <h3 className="mt-4 mb-1 flex items-center gap-2 text-sm text-text-light">
        Command{operation.command_truncated ? ", its beginning" : ""}{" "}
        <Copy text={command} label="Copy the command" />
      </h3>
      <pre className="overflow-x-auto rounded-md border bg-surface-100 p-3 font-mono text-xs leading-5">
        {command}
      </pre>
    </SidePanel>
  );
}
