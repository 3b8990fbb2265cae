export function RedisPage() {
  return null;
}
