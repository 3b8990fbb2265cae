import { clsx } from "clsx";
import { DropdownMenu as Radix, ContextMenu as RadixContext } from "radix-ui";
import type { ReactNode } from "react";

/** One entry of a menu. */
export interface MenuItem {
  label: ReactNode;
  icon?: ReactNode;
  /** Shown at the right: the key that does the same. */
  shortcut?: string;
  danger?: boolean;
  disabled?: boolean;
  onSelect: () => void;
}

/** What the entries below are about; nothing to choose. */
export interface MenuNote {
  note: ReactNode;
}

/** Entries; `null` draws a line between two groups. */
export type MenuItems = readonly (MenuItem | MenuNote | null)[];

const PANEL =
  "z-50 min-w-44 rounded-md border border-line-strong bg-overlay p-1 text-sm text-text shadow-xl outline-none";

function itemClass(item: MenuItem): string {
  return clsx(
    "flex items-center gap-2 rounded px-2 py-1.5 outline-none select-none data-[highlighted]:bg-surface-300",
    "data-[disabled]:opacity-50",
    item.danger && "text-danger",
  );
}

function Label({ item }: { item: MenuItem }) {
  return (
    <>
      {item.icon}
      <span className="flex-1">{item.label}</span>
      {item.shortcut ? <kbd className="text-xs text-text-muted">{item.shortcut}</kbd> : null}
    </>
  );
}

/** The parts that both kinds of menus are made of. */
type Parts = Pick<typeof Radix, "Separator" | "Label" | "Item">;

function Entries({ items, parts: { Separator, Label: Note, Item } }: { items: MenuItems; parts: Parts }) {
  return items.map((item, index) => {
    if (item === null) {
      // biome-ignore lint/suspicious/noArrayIndexKey: lines have nothing else
      return <Separator key={index} className="my-1 h-px bg-line" />;
    }
    if ("note" in item) {
      return (
        // biome-ignore lint/suspicious/noArrayIndexKey: entries don't move
        <Note key={index} className="px-2 py-1.5">
          {item.note}
        </Note>
      );
    }
    return (
      <Item
        // biome-ignore lint/suspicious/noArrayIndexKey: entries don't move
        key={index}
        disabled={item.disabled ?? false}
        onSelect={item.onSelect}
        className={itemClass(item)}
      >
        <Label item={item} />
      </Item>
    );
  });
}

/** A menu that opens under its trigger. */
export function Menu({
  trigger,
  items,
  align = "end",
}: {
  trigger: ReactNode;
  items: MenuItems;
  align?: "start" | "end";
}) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content align={align} sideOffset={4} className={PANEL}>
          <Entries items={items} parts={Radix} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

/** The same by a right click, or the keyboard's menu key, on what it wraps. */
export function ContextMenu({ children, items }: { children: ReactNode; items: MenuItems }) {
  return (
    <RadixContext.Root modal={false}>
      <RadixContext.Trigger asChild>{children}</RadixContext.Trigger>
      <RadixContext.Portal>
        <RadixContext.Content className={PANEL}>
          <Entries items={items} parts={RadixContext} />
        </RadixContext.Content>
      </RadixContext.Portal>
    </RadixContext.Root>
  );
}
