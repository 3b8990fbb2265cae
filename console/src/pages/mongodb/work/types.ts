import type { ComponentType } from "react";

/** What a view is about; `collection` is empty where none is chosen. */
export interface WorkProps {
  databaseId: string;
  databaseName: string;
  collection: string;
  /** What is shown of a view that has several parts; empty for its first. */
  part: string;
  onPart: (part: string) => void;
}

export interface WorkView {
  value: string;
  label: string;
  component: ComponentType<WorkProps>;
  /** A view of the server as a whole is shown without the tree of collections. */
  ofServer?: boolean;
  /** The action that the view begins with; without the right to it the view is not offered. */
  needs?: string;
}
