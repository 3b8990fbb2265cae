/** Privileges as they are edited: what they are about, and their actions as a text. */

import type { MongoPrivilege } from "@studio-databases/client/react";

/** What a privilege is about: collections, the server itself, or everything there is. */
export type About = "collections" | "cluster" | "everything";

export interface Draft {
  about: About;
  /** Empty for any. */
  databaseName: string;
  /** Empty for any. */
  collection: string;
  /** Names of actions, separated by commas or spaces. */
  actions: string;
}

const split = (text: string): string[] => [...new Set(text.split(/[\s,]+/).filter(Boolean))];

/** Privileges of the server, to be edited. */
export function draftsOf(privileges: readonly MongoPrivilege[]): Draft[] {
  return privileges.map(({ resource, actions }) => ({
    about: resource?.cluster ? "cluster" : resource?.any_resource ? "everything" : "collections",
    databaseName: resource?.database_name ?? "",
    collection: resource?.collection ?? "",
    actions: actions.join(", "),
  }));
}

/** The privileges as they are sent; what has no action is left out. */
export function privilegesOf(drafts: readonly Draft[]) {
  return drafts.flatMap(({ about, databaseName, collection, actions }) => {
    const names = split(actions);
    if (names.length === 0) return [];
    const resource =
      about === "cluster"
        ? { cluster: true }
        : about === "everything"
          ? { any_resource: true }
          : { database_name: databaseName, collection };
    return [{ resource, actions: names }];
  });
}

/** Why the privileges can't be sent; empty where they can. */
export function problemIn(drafts: readonly Draft[]): string {
  const at = drafts.findIndex((each) => split(each.actions).some((name) => !/^[A-Za-z]+$/.test(name)));
  return at < 0 ? "" : `Privilege ${at + 1}: actions are names such as find, separated by commas.`;
}

/** What a privilege is about, in words. */
export function aboutOf(privilege: MongoPrivilege): string {
  const { resource } = privilege;
  if (resource?.any_resource) return "everything";
  if (resource?.cluster) return "the server";
  const { database_name: database, collection } = resource ?? { database_name: "", collection: "" };
  if (database && collection) return `${database}.${collection}`;
  if (database) return `every collection of ${database}`;
  return collection ? `${collection} of every database` : "every collection of every database";
}
