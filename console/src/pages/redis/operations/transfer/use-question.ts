import { useCallback, useState } from "react";

export interface Question {
  text: string;
  answer: (yes: boolean) => void;
}

/** A question that work waits for; giving the work up answers no. */
export function useQuestion(): readonly [
  Question | undefined,
  (text: string, signal: AbortSignal) => Promise<boolean>,
] {
  const [question, setQuestion] = useState<Question>();
  const ask = useCallback(
    (text: string, signal: AbortSignal) =>
      new Promise<boolean>((resolve) => {
        const answer = (yes: boolean) => {
          setQuestion(undefined);
          resolve(yes);
        };
        signal.addEventListener("abort", () => answer(false), { once: true });
        setQuestion({ text, answer });
      }),
    [],
  );
  return [question, ask];
}
