/** What the server's own description of its commands tells while one is typed. */

import type { RedisCommandDescription } from "@studio-databases/client/react";

/** Suggestions at most. */
const MOST = 60;

/** Roles, the lowest first. */
const ROLES = ["read_only", "developer", "administrator", "owner"];

/** A command by the name that is typed: `CLIENT LIST`. */
export interface Known {
  name: string;
  description: RedisCommandDescription;
}

/** The descriptions by the names that are typed. */
export function known(descriptions: readonly RedisCommandDescription[]): readonly Known[] {
  return descriptions
    .map((description) => ({ name: description.name.replace("|", " ").toUpperCase(), description }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** The command that a line begins with: the longest name that fits. */
export function commandOf(line: string, commands: readonly Known[]): Known | undefined {
  const words = line.trimStart().toUpperCase().split(/\s+/);
  const [first = "", second = ""] = words;
  const pair = second ? `${first} ${second}` : "";
  return commands.find((each) => each.name === pair) ?? commands.find((each) => each.name === first);
}

/** Commands that what is typed may become; none once the name is complete. */
export function suggestions(line: string, commands: readonly Known[]): readonly Known[] {
  const typed = line.trimStart().toUpperCase();
  if (!typed || typed.includes('"') || typed.includes("'")) return [];
  const name = typed.replaceAll(/\s+/g, " ");
  const found = commands.filter((each) => each.name.startsWith(name) && each.name !== name.trimEnd());
  return found.slice(0, MOST);
}

/** Why a command will not run for somebody of this role; empty where it will. */
export function refusal({ refused, role }: RedisCommandDescription, mine: string | undefined): string {
  if (refused) return `Not run here: ${refused}`;
  if (mine === undefined || ROLES.indexOf(mine) >= ROLES.indexOf(role)) return "";
  return `Needs the role ${role}; yours is ${mine}.`;
}

/** How many arguments a command takes, in words; its name does not count. */
export function argumentsOf({ arity, name }: RedisCommandDescription): string {
  const words = name.includes("|") ? 2 : 1;
  const many = Math.max(0, Math.abs(arity) - words);
  const noun = many === 1 ? "argument" : "arguments";
  if (arity < 0) return many === 0 ? "any arguments" : `${many} ${noun} or more`;
  return many === 0 ? "no arguments" : `${many} ${noun}`;
}
