import { Check, Copy as Icon } from "lucide-react";
import { useState } from "react";
import { IconButton } from "./button";
import { toast } from "./toast";

/** Copies a text; one that takes work to make is made when it is asked for. */
export function Copy({ text, label = "Copy" }: { text: string | (() => string); label?: string }) {
  const [done, setDone] = useState(false);
  async function copy() {
    try {
      await navigator.clipboard.writeText(typeof text === "string" ? text : text());
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch {
      toast.failed("The browser does not let this page copy; select the text instead.");
    }
  }
  return (
    <IconButton label={done ? "Copied" : label} onClick={copy}>
      {done ? <Check size={14} aria-hidden /> : <Icon size={14} aria-hidden />}
    </IconButton>
  );
}
