export function BunPage() {
  return null;
}
