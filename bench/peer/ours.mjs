// Our handles, through `pg`, by the SQL functions and nothing else. A life is a run.
import { clock, connect, connections, each, sleep, value } from './clients.mjs';

const terminal = new Set(['completed', 'failed', 'cancelled', 'abandoned']);
const ADMIT = "select pdpp_run_now('bench', $1)->>'run_id'";
const STATUS = 'select pdpp_run_status($1)';

export const file = 'ours';
export const name = 'pdpp';
export const configured = 'preloaded; statements prepared; four sessions claim, start and settle a hundred in one statement each';

export async function version(url) {
  const client = await connect(url);
  const found = await value(client, "select extversion from pg_extension where extname = 'pdpp'");
  await client.end();
  return found;
}

export async function install(url) {
  const client = await connect(url);
  await client.query('create extension pdpp');
  const served = await value(client, "select concat_ws(',', nullif(current_setting('pdpp.databases'), ''), quote_ident(current_database()))");
  await client.query(`alter system set pdpp.databases = '${served}'`);
  await client.query('select pg_reload_conf()');
  while (!(await value(client, `select exists (select from pg_stat_activity where backend_type = 'pdpp worker'
      and datname = current_database() and query = 'waiting for the next pass')`))) await sleep(100);
  await client.end();
}

/** Lives without a queue: who asks for the run does its work, and has proved by a boot that he lives. */
export async function direct(url, clients) {
  const sessions = await connections(url, clients);
  await each(clients, (i) => sessions[i].query('select pdpp_controller_boot($1)', [`direct-${i}`]));
  return {
    async life(i) {
      const id = await value(sessions[i], ADMIT, [`direct-${i}`], 'admit');
      await value(sessions[i], 'select pdpp_run_started($1)', [id], 'start');
      await value(sessions[i], "select pdpp_run_settle($1, 'completed')", [id], 'settle');
      return id;
    },
    close: () => each(clients, (i) => sessions[i].end()),
  };
}

// A connection has one run in flight at most, so a queue of many runs is one of many connections: each worker offers its own.
const LANES = 4;
const WIDTH = 500;

/** Whoever asks for runs and for how they ended. */
export async function ask(url, clients) {
  const sessions = await connections(url, clients);
  let turn = 0;
  const session = () => sessions[turn++ % clients];
  const free = new Map(); // of each queue, the connections without a run
  const connectionOf = new Map();
  const early = new Set(); // over before their acknowledgement was read
  const take = (queue) => {
    if (!free.has(queue)) free.set(queue, Array.from({ length: LANES * WIDTH }, (_, i) => `${queue}-${i % LANES}-${(i / LANES) | 0}`));
    return free.get(queue).shift() ?? null;
  };
  return {
    async admit(queue, { key = null, limit = null, connection = take(queue) } = {}) {
      const id = await value(session(), `select pdpp_run_now('bench', $1, idempotency_key => $2, timeout => make_interval(secs => $3))->>'run_id'`,
        [connection, key, limit], 'admit');
      connectionOf.set(id, [queue, connection]);
      if (early.delete(id)) this.over(id);
      return id;
    },
    /** The run is over: its connection can have another. */
    over(id) {
      if (!connectionOf.has(id)) {
        early.add(id);
        return;
      }
      const [queue, connection] = connectionOf.get(id);
      connectionOf.delete(id);
      free.get(queue).push(connection);
    },
    async status(id) {
      const body = await value(session(), STATUS, [id], 'status');
      if (body.error) return null;
      return { word: body.status, rank: terminal.has(body.status) ? 2 : 0, how: body.terminal_reason ?? '' };
    },
    admitInTransaction: (client, queue) => value(client, ADMIT, [take(queue)]),
    /** Retention: everything that may go of what ended before now. */
    async retain() {
      await value(sessions[0], 'select pdpp_prune(now())');
      return 'after pdpp_prune(now())';
    },
    close: () => each(clients, (i) => sessions[i].end()),
  };
}

/** Works on the queue's runs until it is stopped. */
export async function serve(url, queue, work, { process: who = '' } = {}) {
  const listener = await connect(url);
  let stopping = false;
  let wake = [];
  const wakeAll = () => {
    for (const resolve of wake) resolve();
    wake = [];
  };
  listener.on('notification', wakeAll);
  await listener.query('listen pdpp_run');
  const lanes = await connections(url, LANES);
  const done = each(LANES, async (lane) => {
    const session = lanes[lane];
    const offered = Array.from({ length: WIDTH }, (_, i) => ({ connector_instance_id: `${queue}${who}-${lane}-${i}`, connector_id: 'bench' }));
    await session.query('select pdpp_controller_boot($1)', [`${queue}${who}-${lane}`]);
    await session.query('select pdpp_controller_offer($1)', [JSON.stringify(offered)]);
    while (!stopping) {
      const { rows } = await session.query({ name: 'claim', text: "select c->>'run_id' as id from pdpp_run_claim(100) as c" });
      const ids = rows.map((row) => row.id);
      if (ids.length === 0) {
        await Promise.race([new Promise((resolve) => wake.push(resolve)), sleep(1000)]);
        continue;
      }
      await session.query({ name: 'start', text: 'select pdpp_run_started(id) from unnest($1::text[]) as id', values: [ids] });
      await Promise.all(ids.map((id) => work(id)));
      const settled = await session.query({ name: 'settle', values: [ids],
        text: "select s->>'run_id' as id, s->>'settled' as settled from unnest($1::text[]) as id, pdpp_run_settle(id, 'completed') as s" });
      for (const row of settled.rows) if (row.settled === 'false') work.late?.(row.id);
      work.ended?.(ids);
    }
    await session.end();
  });
  return async () => {
    stopping = true;
    wakeAll();
    await done;
    await listener.end();
  };
}

export async function unfinished(client) {
  return Number(await value(client, 'select count(*) from pdpp.controller_active_runs'));
}

/** How long after the commit of the end who waits is told, in milliseconds, so many times. */
export async function waits(url, many) {
  const [ender, waiter, watch] = await connections(url, 3);
  const late = [];
  for (let i = 0; i < many; i++) {
    const id = await value(ender, ADMIT, ['waited-for'], 'admit');
    await value(ender, 'select pdpp_run_started($1)', [id], 'start');
    const told = waiter.query("call pdpp_run_wait($1, '1min')", [id]).then(clock);
    await sleep(5 + Math.random() * 50);
    await value(ender, "select pdpp_run_settle($1, 'completed')", [id], 'settle');
    const at = await told;
    late.push(at - (await value(watch, `select extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 from pdpp.spine_events
        where run_id = $1 and event_type = 'run.completed'`, [id])));
  }
  await Promise.all([ender, waiter, watch].map((client) => client.end()));
  return late;
}
