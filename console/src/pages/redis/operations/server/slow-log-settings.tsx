import { type RedisSlowLog, useConfigureRedisSlowLog } from "@studio-databases/client/react";
import { type FormEvent, useState } from "react";
import { Button, Checkbox, Confirm, Dialog, Failure, Field, Input, toast } from "@/ui";

/** What the slow log takes and keeps; and a button that empties it. */
export function SlowLogSettings({ databaseId, log }: { databaseId: string; log: RedisSlowLog }) {
  const [isOpen, setOpen] = useState(false);
  const [isClearing, setClearing] = useState(false);
  const configure = useConfigureRedisSlowLog(databaseId);
  return (
    <>
      <Button onClick={() => setOpen(true)}>Settings</Button>
      <Button kind="outline" disabled={log.commands.length === 0} onClick={() => setClearing(true)}>
        Empty…
      </Button>
      {isOpen ? <Settings databaseId={databaseId} log={log} onClose={() => setOpen(false)} /> : null}
      <Confirm
        open={isClearing}
        onOpenChange={setClearing}
        title="Empty the slow log?"
        action="Empty"
        onConfirm={() => configure.mutateAsync({ reset: true })}
      >
        <p>Its entries are gone for everybody who uses this server. Logging goes on.</p>
      </Confirm>
    </>
  );
}

function Settings({
  databaseId,
  log,
  onClose,
}: {
  databaseId: string;
  log: RedisSlowLog;
  onClose: () => void;
}) {
  const configure = useConfigureRedisSlowLog(databaseId);
  const [isOn, setOn] = useState(log.threshold_us !== -1);
  const [ms, setMs] = useState(log.threshold_us >= 0 ? String(log.threshold_us / 1000) : "10");
  const [length, setLength] = useState(log.max_length >= 0 ? String(log.max_length) : "128");
  const us = Math.round(Number(ms) * 1000);
  const badTime = isOn && !(ms.trim() !== "" && us >= 0);
  const many = Number(length);
  const badLength = !(/^\d+$/.test(length.trim()) && many <= 1_000_000);

  function save(event: FormEvent) {
    event.preventDefault();
    configure.mutate(
      { threshold_us: isOn ? us : -1, max_length: many },
      {
        onSuccess: () => {
          toast.done("The slow log's settings are changed.");
          onClose();
        },
      },
    );
  }

  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Slow log"
      description="For the whole server, until it restarts or its configuration is rewritten."
    >
      <form className="flex flex-col gap-4" onSubmit={save}>
        <Checkbox
          label="Log slow commands"
          checked={isOn}
          onChange={(event) => setOn(event.target.checked)}
        />
        <Field
          label="Longer than, in milliseconds"
          hint="0 logs every command."
          error={badTime ? "A number, 0 or more." : undefined}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="decimal"
              disabled={!isOn}
              value={ms}
              onChange={(event) => setMs(event.target.value)}
            />
          )}
        </Field>
        <Field label="Entries to keep" error={badLength ? "A whole number, 1,000,000 at most." : undefined}>
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              value={length}
              onChange={(event) => setLength(event.target.value)}
            />
          )}
        </Field>
        {configure.error ? <Failure error={configure.error} /> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" disabled={badTime || badLength} loading={configure.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
