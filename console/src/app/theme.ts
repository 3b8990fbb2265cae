import { createStore } from "@/lib/store";

export type Theme = "dark" | "light";

const KEY = "studio-databases.theme";

function stored(): Theme {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

const theme = createStore<Theme>(stored());

/** Shows the chosen theme; before the first paint. */
export function applyTheme(): void {
  document.documentElement.dataset.theme = theme.get();
}

/** The theme, and how to choose another. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  return [
    theme.use(),
    (next) => {
      localStorage.setItem(KEY, next);
      theme.set(next);
      applyTheme();
    },
  ];
}
