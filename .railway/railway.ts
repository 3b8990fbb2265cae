/**
 * The project on Railway: `railway config plan` shows what it would change, `railway config apply` changes it.
 *
 * docs/railway.md walks through it. Secrets are not here: `python3 -m deploy.railway.variables` sets them on `registry`, and
 * the others refer to them there. tests/deploy holds this file, that script and deploy/railway/ to the same variables.
 */
import {
  defineRailway,
  github,
  group,
  image,
  postgres,
  preserve,
  project,
  redis,
  service,
} from "railway/iac";

/** Where the sources are: `STUDIO_REPOSITORY=owner/name railway config apply`. */
const REPOSITORY = process.env.STUDIO_REPOSITORY ?? "owner/studio-databases";
/** Images that were built elsewhere, instead of the sources: `STUDIO_IMAGES=ghcr.io/owner/studio-databases`. */
const IMAGES = process.env.STUDIO_IMAGES;
const VERSION = process.env.STUDIO_VERSION ?? "latest";
/** Origins whose pages may call the API: Studio's own. */
const ORIGINS = process.env.CORS_ALLOW_ORIGINS;

/** Railway puts it in when a deployment starts: the name of a service on the private network. */
const host = (name: string) => `\${{${name}.RAILWAY_PRIVATE_DOMAIN}}`;

/**
 * What all services of ours have in common.
 *
 * A new deployment takes over once `/healthz` on PORT has said 200. The former goes on for `overlapSeconds`: by then the
 * gateway has seen the new address (it asks DNS every second) and its health (every second). Then it gets SIGTERM, and has
 * `drainingSeconds` to finish what runs: SHUTDOWN_NOTICE_S is 3, SHUTDOWN_GRACE_S and GATEWAY_DRAIN_S are 10.
 */
const ours = (target: string, port: number, watched: string[]) => ({
  source: IMAGES ? image(`${IMAGES}/${target}:${VERSION}`) : github(REPOSITORY, { branch: "main" }),
  build: {
    builder: "DOCKERFILE" as const,
    dockerfilePath: "Dockerfile",
    watchPatterns: ["Dockerfile", "deploy/docker/**", "protos/**", "services/runtime/**", ...watched],
  },
  healthcheck: "/healthz",
  healthcheckTimeout: 120,
  deploy: { overlapSeconds: 20, drainingSeconds: 20, restartPolicyType: "ALWAYS" as const },
  // STUDIO_TARGET: which target of the Dockerfile is built. PORT: where Railway asks for the health of a deployment.
  env: { STUDIO_TARGET: target, PORT: String(port) },
});

export default defineRailway((railway) => {
  // Nothing else needs more than one: what they do for how many calls says docs/railway.md.
  const replicas = railway.isEnvironment("production") ? 2 : 1;

  const database = postgres("Postgres");
  const cache = redis("Redis");

  const common = ours("registry", 9051, ["services/registry/**", "deploy/sql/**"]);
  const registry = service("registry", {
    ...common,
    preDeploy: "python -m services.registry migrate",
    replicas,
    env: {
      ...common.env,
      DATABASE_URL: database.env.DATABASE_URL,
      REGISTRY_CACHE_URL: cache.env.REDIS_URL,
      // The registry's own database and cache are not for those who manage databases.
      ENVIRONMENT_CONNECTIONS: "false",
      REDIS_SVC_ADDRESS: `${host("redis_svc")}:50052`,
      MONGO_SVC_ADDRESS: `${host("mongo_svc")}:50053`,
      BUN_PROXY_ADDRESS: `${host("bun_proxy")}:50054`,
      PG_META_URL: `http://${host("pg-meta")}:8080`,
      JWT_SECRET: preserve(),
      SERVICE_TOKEN_SECRET: preserve(),
      AUDIT_CHAIN_SECRET: preserve(),
      REDIS_CRYPTO_KEY: preserve(),
      MONGODB_CRYPTO_KEY: preserve(),
      BUN_CRYPTO_KEY: preserve(),
      PG_META_CRYPTO_KEY: preserve(),
    },
  });
  const known = {
    JWT_SECRET: registry.env.JWT_SECRET,
    SERVICE_TOKEN_SECRET: registry.env.SERVICE_TOKEN_SECRET,
  };
  const REGISTRY_ADDRESS = `${host("registry")}:50051`;

  const forRedis = ours("redis_svc", 9052, ["services/redis_svc/**"]);
  const redisSvc = service("redis_svc", {
    ...forRedis,
    replicas,
    env: { ...forRedis.env, ...known, REGISTRY_ADDRESS, REDIS_CRYPTO_KEY: registry.env.REDIS_CRYPTO_KEY },
  });
  const forMongo = ours("mongo_svc", 9053, ["services/mongo_svc/**"]);
  const mongoSvc = service("mongo_svc", {
    ...forMongo,
    replicas,
    env: { ...forMongo.env, ...known, REGISTRY_ADDRESS, MONGODB_CRYPTO_KEY: registry.env.MONGODB_CRYPTO_KEY },
  });
  const forBun = ours("bun_proxy", 9054, ["services/bun_proxy/**"]);
  const bunProxy = service("bun_proxy", {
    ...forBun,
    replicas,
    env: { ...forBun.env, ...known, REGISTRY_ADDRESS, BUN_CRYPTO_KEY: registry.env.BUN_CRYPTO_KEY },
  });

  const pgMeta = service("pg-meta", {
    source: image("supabase/postgres-meta:v0.99.0"),
    healthcheck: "/health",
    healthcheckTimeout: 120,
    deploy: { overlapSeconds: 20, drainingSeconds: 20, restartPolicyType: "ALWAYS" },
    env: {
      PORT: "8080",
      // Both families; environments from before October 2025 have IPv6 alone.
      PG_META_HOST: "::",
      PG_META_PORT: "8080",
      // It asks nobody who they are: without the key it leads nowhere.
      PG_META_DB_URL: "postgresql://nobody@127.0.0.1:1/nothing",
      CRYPTO_KEY: registry.env.PG_META_CRYPTO_KEY,
    },
  });

  const edge = ours("gateway", 8000, [
    "gateway/**",
    "console/**",
    "clients/typescript/**",
    "package-lock.json",
  ]);
  const gateway = service("gateway", {
    ...edge,
    replicas,
    env: {
      ...edge.env,
      ...known,
      // Railway's edge: clients' addresses come from it.
      GATEWAY_TRUSTED_HOPS: "1",
      // For Prometheus, on the private network: the public domain leads to PORT alone.
      GATEWAY_METRICS_ADDRESS: "[::]:9050",
      REGISTRY_ADDRESS,
      REDIS_SVC_ADDRESS: `${host("redis_svc")}:50052`,
      MONGO_SVC_ADDRESS: `${host("mongo_svc")}:50053`,
      BUN_PROXY_ADDRESS: `${host("bun_proxy")}:50054`,
      BUN_PROXY_HTTP_ADDRESS: `${host("bun_proxy")}:8054`,
      PG_META_URL: `http://${host("pg-meta")}:8080`,
      ...(ORIGINS ? { CORS_ALLOW_ORIGINS: ORIGINS } : {}),
    },
  });

  return project("studio-databases", {
    resources: [
      gateway,
      group("Services", [registry, redisSvc, mongoSvc, bunProxy, pgMeta]),
      group("Platform", [database, cache]),
    ],
  });
});
