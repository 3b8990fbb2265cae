export function MongoPage() {
  return null;
}
