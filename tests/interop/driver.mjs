// Runs calls of @mastra/redis for the tests: one JSON line {store, call, args} in, one
// {value} or {error} out. Strings under the keys in DATES become Date objects.
import { createInterface } from 'node:readline';
import { RedisServerCache, RedisStore, nodeRedisPreset } from '@mastra/redis';

const DATES = new Set(['createdAt', 'updatedAt', 'fromDate', 'toDate', 'start', 'end']);
const revive = (key, value) =>
  DATES.has(key) && typeof value === 'string' ? new Date(value) : value;

const redis = new RedisStore({ id: 'peer', connectionString: process.argv[1] });
await redis.init();
const stores = {
  memory: await redis.getStore('memory'),
  workflows: await redis.getStore('workflows'),
  scores: await redis.getStore('scores'),
  cache: new RedisServerCache({ client: redis.getClient() }, nodeRedisPreset),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { store, call, args } = JSON.parse(line, revive);
  let reply;
  try {
    reply = { value: (await stores[store][call](...args)) ?? null };
  } catch (error) {
    reply = { error: String(error?.message ?? error) };
  }
  process.stdout.write(JSON.stringify(reply) + '\n');
}
await redis.close();
