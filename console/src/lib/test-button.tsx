import { Square } from "lucide-react";
import { useEffect, useRef } from "react";
import { Button } from "@/ui";

interface Test {
  isPending: boolean;
  reset: () => void;
}

/** Starts the test of a connection; while it runs, stops it. Leaving the page stops it, too. */
export function TestButton({
  test,
  onTest,
  disabled = false,
  size = "tiny",
}: {
  test: Test;
  onTest: (signal: AbortSignal) => void;
  disabled?: boolean;
  size?: "tiny" | "small";
}) {
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);
  if (test.isPending) {
    return (
      <Button
        size={size}
        icon={<Square size={12} aria-hidden />}
        onClick={() => {
          control.current?.abort();
          test.reset();
        }}
      >
        Stop testing
      </Button>
    );
  }
  return (
    <Button
      size={size}
      disabled={disabled}
      onClick={() => {
        const started = new AbortController();
        control.current = started;
        onTest(started.signal);
      }}
    >
      Test connection
    </Button>
  );
}
