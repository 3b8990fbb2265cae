import type { MongoPrivilege } from "@studio-databases/client/react";
import { aboutOf } from "./privileges-text";

/** What a role may do, to be read. */
export function PrivilegeList({
  own,
  inherited,
}: {
  own: readonly MongoPrivilege[];
  inherited: readonly MongoPrivilege[];
}) {
  // A role's inherited privileges have its own among them.
  const shown = inherited.length > 0 ? inherited : own;
  if (shown.length === 0)
    return <p className="text-sm text-text-light">The server tells no privileges of it.</p>;
  return (
    <ul className="flex flex-col gap-3 text-sm">
      {shown.map((each, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: two may be about the same
        <li key={at}>
          <p className="text-text-light">On {aboutOf(each)}</p>
          <p className="font-mono text-xs leading-5 break-words">{each.actions.join(", ")}</p>
        </li>
      ))}
    </ul>
  );
}
