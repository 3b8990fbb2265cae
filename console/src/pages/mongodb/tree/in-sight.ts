import { useCallback, useState } from "react";

/** Whether an element has been in sight, and the ref to give it: what it needs is asked for then, once. */
export function useInSight(): readonly [boolean, (element: HTMLElement | null) => (() => void) | undefined] {
  const [seen, setSeen] = useState(false);
  const ref = useCallback((element: HTMLElement | null) => {
    if (!element) return undefined;
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((each) => each.isIntersecting)) return;
      setSeen(true);
      observer.disconnect();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [seen, ref];
}
