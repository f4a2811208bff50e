// The published @mastra/redis as a contender: the messages of protocol.py on stdin and stdout.
// Times are taken here, inside Node.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { RedisStore } from '@mastra/redis';

const here = createRequire(`${process.cwd()}/node_modules/@mastra/redis/package.json`);
const { createClient } = here('redis');
const client = createClient({ socket: { path: process.argv[1] } });
await client.connect();
const redis = new RedisStore({ id: 'peer', client });
await redis.init();
const memory = await redis.getStore('memory');

const BYTES = 556;
const STORED_SINCE = Date.UTC(2025, 0, 1);
const content = (text) => ({ format: 2, parts: [{ type: 'text', text }], content: text });

// A plain literal: @mastra/core is ten times as slow with objects made by spreading others.
const build = (threadId, id, createdAt, text) => ({
  id, threadId, resourceId: 'writer', role: 'user', type: 'v2', createdAt, content: content(text),
});

const text = (id, length) => `${id} `.repeat(length).slice(0, length);

function message(threadId, id, createdAt, words) {
  const empty = JSON.stringify(build(threadId, id, createdAt, '')).length;
  return build(threadId, id, createdAt, text(words, (BYTES - empty) >> 1));
}

function fresh(threadId, { tag, size }, first) {
  const now = Date.now();
  return Array.from({ length: size }, (_, i) => {
    const id = `${tag}-${first + i}`;
    return message(threadId, id, new Date(now - size + i), id);
  });
}

function stored(threadId, { tag, size }, index) {
  return Array.from({ length: size }, (_, i) => {
    const id = `${threadId}-${i}`;
    return message(threadId, id, new Date(STORED_SINCE + i * 1000), `${tag}-${index} ${id}`);
  });
}

const get = async (threadId) => ((await memory.getThreadById({ threadId })) ? 1 : 0);

async function last(threadId, size) {
  const page = size ? { page: 0, perPage: size } : { perPage: false };
  const direction = size ? 'DESC' : 'ASC';
  const found = await memory.listMessages({
    threadId, ...page, orderBy: { field: 'createdAt', direction },
  });
  return found.messages.length;
}

const save = async (messages) => (await memory.saveMessages({ messages })).messages.length;

function job(request, index) {
  const { call, threads, size, ids, resource, tag } = request;
  const threadId = threads[index % threads.length];
  let messages = [];
  if (call === 'save' || call === 'turn') messages = fresh(threadId, request, index * size);
  if (call === 'save_again') messages = stored(threadId, request, index);
  const patches = ids.map((id) => ({ id, content: { metadata: { tag: `${tag}-${index}` } } }));
  const calls = {
    get: () => get(threadId),
    get_each: async () => (await Promise.all(threads.map(get))).length,
    last: () => last(threadId, size),
    save: () => save(messages),
    save_again: () => save(messages),
    update: async () => (await memory.updateMessages({ messages: patches })).length,
    threads_of: async () => {
      const found = await memory.listThreads({ filter: { resourceId: resource }, perPage: 100 });
      return found.threads.length;
    },
    turn: async () => {
      await get(threadId);
      await last(threadId, 10);
      return save(messages);
    },
  };
  return calls[call];
}

async function lane(jobs, seconds) {
  let got = 0;
  for (const run of jobs) {
    const start = performance.now();
    got = await run();
    seconds.push((performance.now() - start) / 1000);
  }
  return got;
}

function watch() {
  const stall = { worst: 0 };
  let before = performance.now();
  const note = () => {
    const now = performance.now();
    stall.worst = Math.max(stall.worst, (now - before - 1) / 1000);
    before = now;
  };
  const timer = setInterval(note, 1);
  stall.stop = () => { note(); clearInterval(timer); };
  return stall;
}

async function measure(request) {
  const { agents, times } = request;
  const lanes = Array.from({ length: agents }, (_, agent) =>
    Array.from({ length: times }, (_, turn) => job(request, agent + agents * turn)));
  const seconds = [];
  const stall = request.watch ? watch() : null;
  const start = performance.now();
  const cpu = process.cpuUsage();
  const got = Math.min(...(await Promise.all(lanes.map((jobs) => lane(jobs, seconds)))));
  const used = process.cpuUsage(cpu);
  const elapsed = (performance.now() - start) / 1000;
  stall?.stop();
  const spent = (used.user + used.system) / 1e6;
  return { seconds, elapsed, cpu: spent, got, stall: stall?.worst ?? 0 };
}

const say = (reply) => process.stdout.write(`${JSON.stringify(reply)}\n`);

const versions = {
  node: process.versions.node,
  '@mastra/redis': here('@mastra/redis/package.json').version,
  '@mastra/core': here('@mastra/core/package.json').version,
  'node-redis': here('redis/package.json').version,
};
say({ versions });
for await (const line of createInterface({ input: process.stdin })) {
  say(await measure(JSON.parse(line)));
}
await client.quit();
