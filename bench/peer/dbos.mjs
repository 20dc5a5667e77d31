// DBOS: workflows without a step. One process can have one of its executors; who asks is a DBOSClient.
import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk';
import { clock, connect, sleep, value, versionOf } from './clients.mjs';

const ranks = { ENQUEUED: 0, DELAYED: 0, PENDING: 1 };
const quiet = { debug() {}, info() {}, warn() {}, error(entry) { console.error(`dbos: ${entry?.message ?? entry}`); } };
const VERSION = 'bench'; // of the application, which is else made of the source of its workflows

export const file = 'dbos';
export const name = 'DBOS';
export const configured = 'pool of 20, queues polled each 100 ms (default 1 s), applicationVersion set, an executorID for each process, all else as it comes';

export const version = async () => versionOf('@dbos-inc/dbos-sdk');

const registered = new Map();
function workflow(queue) {
  if (!registered.has(queue)) {
    const hooks = {};
    hooks.run = DBOS.registerWorkflow(async () => hooks.work?.(DBOS.workflowID), { name: queue });
    registered.set(queue, hooks);
  }
  return registered.get(queue);
}

async function launch(url, queues, who = '') {
  for (const queue of queues) workflow(queue);
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, systemDatabasePoolSize: 20, applicationVersion: VERSION, logger: quiet,
    executorID: who || 'first', listenQueues: queues });
  await DBOS.launch();
}

export async function install(url) {
  await DBOS.migrate(url);
}

/** Lives without a queue: the workflow is started, and its result awaited, in one process. */
export async function direct(url) {
  await launch(url, ['direct']);
  const { run } = workflow('direct');
  return {
    async life() {
      const handle = await DBOS.startWorkflow(run)();
      await handle.getResult();
      return handle.workflowID;
    },
    close: () => DBOS.shutdown(),
  };
}

export async function ask(url, clients) {
  const client = await DBOSClient.create({ systemDatabaseUrl: url, systemDatabasePoolSize: clients, applicationName: 'bench', logger: quiet });
  const enqueued = (queue, key, limit) => ({ queueName: queue, workflowName: queue, workflowID: key, appVersion: VERSION,
    workflowTimeoutMS: limit && limit * 1000 });
  return {
    admit: async (queue, { key = undefined, limit = undefined } = {}) => (await client.enqueue(enqueued(queue, key, limit))).workflowID,
    async status(id) {
      const found = await client.getWorkflow(id);
      return found && { word: found.status, rank: ranks[found.status] ?? 2, how: typeof found.output === 'string' ? found.output : '' };
    },
    admitInTransaction: async (session, queue) => (await client.enqueueInTransaction(session, enqueued(queue))).workflowID,
    async retain(queue, id) {
      const until = await client.getWorkflow(id);
      await client.deleteWorkflow(id);
      return `after deleteWorkflow(); until then ${until.status}, since the library removes nothing by age`;
    },
    close: () => client.destroy(),
  };
}

export async function serve(url, queue, work, { process: who = '' } = {}) {
  workflow(queue).work = async (id) => {
    await work(id);
    return who || 'first';
  };
  await launch(url, [queue], who);
  await DBOS.registerQueue(queue, { minPollingIntervalMs: 100 });
  return () => DBOS.shutdown({ workflowCompletionTimeoutMS: 5000 });
}

export async function unfinished(client) {
  return Number(await value(client, "select count(*) from dbos.workflow_status where status in ('ENQUEUED', 'PENDING')"));
}

/** Who waits is a client, and so may be any process: in the one that does the work, a handle is told by memory. */
export async function waits(url, many) {
  await launch(url, ['waited-for']);
  const client = await DBOSClient.create({ systemDatabaseUrl: url, logger: quiet });
  const watch = await connect(url);
  const gates = new Map();
  workflow('waited-for').work = (id) => new Promise((resolve) => gates.set(id, resolve));
  const late = [];
  const loops = Array.from({ length: 4 }, async () => {
    while (late.length < many) {
      const handle = await DBOS.startWorkflow(workflow('waited-for').run)();
      const told = client.retrieveWorkflow(handle.workflowID).getResult().then(clock);
      await sleep(50 + Math.random() * 1000);
      gates.get(handle.workflowID)();
      const at = await told;
      late.push(at - (await value(watch, `select extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000
          from dbos.workflow_status where workflow_uuid = $1`, [handle.workflowID])));
    }
  });
  await Promise.all(loops);
  await client.destroy();
  await watch.end();
  await DBOS.shutdown();
  return late.slice(0, many);
}
