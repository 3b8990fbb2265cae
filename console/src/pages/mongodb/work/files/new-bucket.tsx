import { useState } from "react";
import { Button, Dialog, Field, Input } from "@/ui";

/** Names a bucket; the server makes it with its first file. */
export function NewBucket({
  taken,
  onChoose,
  onClose,
}: {
  taken: readonly string[];
  onChoose: (bucket: string) => void;
  onClose: () => void;
}) {
  const [name, setName] = useState("");
  const wrong = taken.includes(name) ? "There is a bucket of this name." : undefined;
  function choose() {
    if (!name || wrong) return;
    onChoose(name);
    onClose();
  }
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="New bucket"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" disabled={!name || wrong !== undefined} onClick={choose}>
            Open it
          </Button>
        </>
      }
    >
      <Field
        label="Name"
        hint={`Its collections ${name || "name"}.files and ${name || "name"}.chunks are made with the first file.`}
        error={wrong}
      >
        {(control) => (
          <Input
            {...control}
            value={name}
            maxLength={200}
            spellCheck={false}
            autoComplete="off"
            onChange={(event) => setName(event.target.value.trim())}
            onKeyDown={(event) => event.key === "Enter" && choose()}
          />
        )}
      </Field>
    </Dialog>
  );
}
