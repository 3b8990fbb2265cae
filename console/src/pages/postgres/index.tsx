export function PostgresPage() {
  return null;
}
