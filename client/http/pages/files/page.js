// Keeps a page true. The server renders all of it; what has changed is taken from the page itself, asked for again when the run's
// stream of events, or the entity tag of what is shown, says so. Everything that is put into the page is text or the server's own.
'use strict';
(() => {
  const body = document.body;
  const is = {run: body.classList.contains('run'), runs: body.classList.contains('runs')};
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const two = (number) => String(number).padStart(2, '0');

  // ---- times -------------------------------------------------------------------------------------------------------------

  let skew = (Number(body.dataset.now) || Date.now()) - Date.now(); // of this clock behind the server's
  const now = () => Date.now() + skew;
  let inUtc = false;
  try { inUtc = localStorage.getItem('pdpp-times') === 'utc'; } catch { /* not allowed: the reader's zone */ }

  const utc = (date) => date.toISOString().replace('T', ' ').replace('Z', ' UTC');
  const local = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
  const clock = (millis) => {
    const date = new Date(millis);
    return inUtc ? `${date.toISOString().slice(11, 19)} UTC` : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  };

  function localise(root) {
    for (const time of all('time[datetime]', root)) {
      const date = new Date(time.dateTime);
      if (!Number.isNaN(date.getTime())) {
        time.textContent = inUtc ? utc(date) : local(date);
        time.title = inUtc ? `${local(date)} here` : utc(date);
      }
    }
  }

  function nameZone() {
    const zone = find('#zone');
    if (zone && find('time')) {
      zone.hidden = false;
      zone.textContent = inUtc ? 'Show times in my zone' : 'Show times in UTC';
    }
  }

  // as duration() of the server has it, but for parts of a second, which would flicker
  function duration(millis) {
    const seconds = Math.floor(Math.max(millis, 0) / 1000);
    if (seconds < 60) { return `${seconds} s`; }
    if (seconds < 3600) { return `${Math.floor(seconds / 60)} min ${seconds % 60} s`; }
    if (seconds < 86400) { return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`; }
    return `${Math.floor(seconds / 86400)} d ${Math.floor(seconds % 86400 / 3600)} h`;
  }

  // ---- what goes on by itself ----------------------------------------------------------------------------------------------

  let known = true; // whether what is shown is as things stand

  function tick() {
    if (!known) { return; } // who knows whether it still runs
    for (const part of all('[data-since]')) { part.textContent = duration(now() - Number(part.dataset.since)); }
    redraw();
  }

  // the drawing of a life that goes on: what was the whole width a second ago is a little less now
  function redraw() {
    const drawing = find('#drawing');
    if (!drawing || drawing.dataset.until) { return; }
    const from = Number(drawing.dataset.from);
    const span = Math.max(now() - from, 1);
    const x = (at) => Math.round((4 + 992 * Math.min(Math.max((at - from) / span, 0), 1)) * 10) / 10;
    for (const part of all('rect', drawing)) {
      const begin = x(Number(part.dataset.from));
      part.setAttribute('x', begin);
      part.setAttribute('width', Math.max(x(part.dataset.to ? Number(part.dataset.to) : now()) - begin, 0));
    }
    for (const sign of all('path:not(.ticks)', drawing)) {
      sign.setAttribute('d', sign.getAttribute('d').replace(/^M[\d.]+/, `M${x(Number(sign.dataset.at))}`));
    }
    const ticks = find('.ticks', drawing);
    const places = new Set(ticks.dataset.at.split(' ').filter(Boolean).map((after) => x(from + Number(after))));
    ticks.setAttribute('d', [...places].map((place) => `M${place} 48v10`).join(''));
    const scale = find('#scale');
    if (scale) { scale.textContent = duration(span); }
  }

  // ---- putting in place what the server says now -----------------------------------------------------------------------------

  const served = new Map(); // what each part was when it came, before times were put into the reader's zone
  const remember = (root) => { for (const part of all('[data-live], [data-rows] > li', root)) { served.set(part.id, part.innerHTML); } };
  const openIn = (root) => all('details[open][id]', root).map((details) => details.id);

  // What is in a part of the page, by what it is and does, to find it again where all of that was put there anew.
  const nameOf = (element) => [element.localName, element.closest('[id]').id, element.form?.getAttribute('action'), element.getAttribute('href'),
    element.getAttribute('aria-labelledby')].join('\n');

  // The focus stays on what it was on, wherever that is now. If it is gone, all of the part has it, and nothing that can be pressed.
  function keepFocus(part, change) {
    const focus = document.activeElement;
    const name = focus !== part && part.contains(focus) ? nameOf(focus) : null;
    change();
    if (name === null || part.contains(document.activeElement)) { return; }
    part.tabIndex = -1;
    (all('*', part).find((element) => nameOf(element) === name) || part).focus({preventScroll: true});
  }

  // What the mouse is on stays under it, whatever has come or gone above: the page is scrolled by as much.
  function keepPlace(change) {
    const under = all('#main [id]:hover').pop();
    const top = under && under.getBoundingClientRect().top;
    change();
    const same = under && document.getElementById(under.id);
    const moved = same ? same.getBoundingClientRect().top - top : 0;
    if (moved) {
      const height = scrollY + innerHeight + moved;
      if (document.documentElement.scrollHeight < height) { body.style.minHeight = `${height}px`; }
      scrollBy(0, moved);
    }
  }

  const reveal = (root) => { for (const button of all('.copy', root)) { button.hidden = false; } };

  function replace(part, next) {
    const open = openIn(part);
    keepFocus(part, () => {
      part.replaceChildren(...next.childNodes);
      reveal(part);
      for (const id of open) { const details = document.getElementById(id); if (details) { details.open = true; } }
    });
    localise(part);
  }

  const list = () => find('#list');
  const held = new Map(); // newer parts that are not shown yet, by id
  const news = []; // to be spoken
  const counted = (number, what) => `${number} ${what}${number === 1 ? '' : 's'}`;

  function speak() {
    if (news.length > 0) { find('#announced').textContent = news.length > 3 ? `${news.length} changes.` : news.join(' '); }
    news.length = 0;
  }

  const isPointedAt = (part) => part.matches(':hover') || (part === list() && find('#fresh').matches(':hover'));
  const isLookedAt = (part) => isPointedAt(part) || (part !== document.activeElement && part.contains(document.activeElement));

  // Rows keep their places and what is unfolded in them; while somebody points among them none comes and none goes, unless `now`.
  function mergeRows(part, next, now) {
    const rows = find('[data-rows]', part);
    const nextRows = find('[data-rows]', next);
    const come = [...nextRows.children];
    const fresh = come.filter((row) => !rows.children.namedItem(row.id));
    const gone = [...rows.children].filter((row) => !nextRows.children.namedItem(row.id));
    const ofRuns = is.runs && part === list();
    for (const row of come) {
      const old = rows.children.namedItem(row.id);
      if (old && (served.get(row.id) !== row.innerHTML || old.className !== row.className)) {
        if (ofRuns && !old.classList.contains(row.className)) { news.push(`${find('code', row).textContent} is ${row.className}.`); }
        served.set(row.id, row.innerHTML);
        old.className = row.className;
        replace(old, row.cloneNode(true));
      }
    }
    const button = find('#fresh');
    if (!now && fresh.length + gone.length > 0 && rows.children.length > 0 && isLookedAt(part)) {
      held.set(part.id, next);
      if (part === list()) {
        const text = fresh.length > 0 ? counted(fresh.length, is.runs ? 'new run' : 'new event') : 'The list has changed';
        if (button.hidden) { news.push(`${text}.`); }
        button.textContent = `${text} – show`;
        button.hidden = false;
      }
      return;
    }
    held.delete(part.id);
    if (part === list()) { button.hidden = true; }
    if (ofRuns && fresh.length > 0 && !now) { news.push(`${counted(fresh.length, 'new run')}.`); }
    const had = rows.children.length > 0;
    keepFocus(part, () => {
      for (const row of gone) { served.delete(row.id); row.remove(); }
      come.forEach((row, place) => {
        let mine = rows.children.namedItem(row.id);
        if (!mine) {
          mine = document.importNode(row, true);
          served.set(row.id, row.innerHTML);
          if (had) { mine.classList.add('arrived'); }
          localise(mine);
        }
        if (rows.children[place] !== mine) { rows.insertBefore(mine, rows.children[place] || null); }
      });
      // what stands around the rows
      const around = (each) => [...each.parentElement.children].filter((child) => child !== each);
      const said = (each) => around(each).map((child) => child.outerHTML).join('');
      if (said(rows) === said(nextRows)) { return; }
      for (const child of around(rows)) { child.remove(); }
      let before = true;
      for (const child of [...nextRows.parentElement.children]) {
        if (child === nextRows) { before = false; } else if (before) { rows.before(child); } else { rows.parentElement.append(child); }
      }
    });
  }

  // What can be pressed does not become something else under the mouse.
  function put(part, next, now = false) {
    if (find('[data-rows]', part) && find('[data-rows]', next)) { mergeRows(part, next, now); return; }
    if (served.get(part.id) === next.innerHTML) { held.delete(part.id); return; }
    if (find('form', part) && isPointedAt(part)) { held.set(part.id, next); return; }
    held.delete(part.id);
    served.set(part.id, next.innerHTML);
    replace(part, next);
  }

  function settle(part) {
    if (held.has(part.id) && !isLookedAt(part)) { keepPlace(() => put(part, held.get(part.id))); }
  }

  const parse = (text) => new DOMParser().parseFromString(text, 'text/html');

  // A run that the list has no more, and still shows: what has become of it stands on its own page.
  async function askOfGone() {
    if (!is.runs || !held.has('list')) { return; }
    const next = find('[data-rows]', held.get('list'));
    for (const row of [...find('[data-rows]', list()).children]) {
      if (next.children.namedItem(row.id) || !row.classList.contains('active')) { continue; }
      const answer = await ask(find('a', row).href, 'text/html');
      if (!answer.ok) { continue; }
      const page = parse(await answer.text());
      const status = page.body.dataset.status;
      if (status && status !== 'active') {
        row.className = status;
        find('.state', row).replaceChildren(find('.headline .mark', page), status);
        find('.took', row).replaceChildren(...find('.headline .took', page).childNodes);
        news.push(`${find('code', row).textContent} is ${status}.`);
      }
    }
    speak();
  }

  function apply(page) {
    skew = Number(page.body.dataset.now) - Date.now();
    document.title = page.title;
    const icon = find('#icon', page).getAttribute('href');
    if (find('#icon').getAttribute('href') !== icon) { find('#icon').setAttribute('href', icon); }
    const said = page.body.dataset.said;
    if (said && said !== body.dataset.said) { news.push(`The run is ${said}.`); }
    keepPlace(() => {
      for (const part of all('[data-live]')) {
        const next = page.getElementById(part.id);
        if (next) { put(part, next); }
      }
    });
    speak();
    for (const name of ['events', 'status', 'said', 'tag', 'also', 'alsoTag']) { body.dataset[name] = page.body.dataset[name] || ''; }
    find('#asof').dateTime = find('#asof', page).dateTime;
    localise(find('.asof'));
    tick();
  }

  // ---- asking, and what shows when nobody answers ------------------------------------------------------------------------------

  const patience = 10000;
  let trueAt = Date.now(); // when the server last said so
  let source = null;
  let followAt = 0;
  let timer = 0;
  let asking = false;
  let askAgain = false;
  let took = 0;

  function notify(text, link) {
    const notice = find('#notice');
    const shown = text + (link ? ' ' : '');
    if (notice.dataset.text === shown) { return; }
    notice.dataset.text = shown;
    notice.hidden = !text;
    notice.textContent = shown;
    if (link) {
      const anchor = document.createElement('a');
      anchor.href = link;
      anchor.textContent = 'Log in again';
      notice.append(anchor);
    }
  }

  function plan(delay) {
    clearTimeout(timer);
    timer = setTimeout(check, delay);
  }

  // what is shown is what is there
  function found() {
    trueAt = Date.now();
    known = true;
    notify('');
    find('#liveness').textContent = ' · this page keeps itself up to date';
    follow();
    plan(is.runs ? 2000 : body.dataset.status === 'active' ? 5000 : 15000);
  }

  function lost() {
    known = false;
    find('#liveness').textContent = '';
    notify(`Reconnecting. What you see is as of ${clock(trueAt)}.`);
    plan(2000);
  }

  function over() {
    known = false;
    stop();
    find('#liveness').textContent = '';
    notify(`Your session has ended. What you see is as of ${clock(trueAt)}.`,
      `/owner/login?return_to=${encodeURIComponent(location.pathname + location.search)}`);
  }

  function stop() {
    clearTimeout(timer);
    if (source) { source.close(); source = null; }
  }

  const ask = (address, type) => fetch(address, {headers: {Accept: type}, cache: type === 'text/html' ? 'no-store' : 'no-cache',
    signal: AbortSignal.timeout(patience)});

  // where the API has what is shown: a run by its handle, a list by its filters
  function resource() {
    const address = new URL(location.pathname, location.origin);
    if (is.runs) {
      for (const [name, value] of new URLSearchParams(location.search)) {
        if (value && name !== 'connections') { address.searchParams.append(name, value); }
      }
    }
    return address;
  }

  // Whoever compresses what passes makes the tag weak, or puts a suffix into it: ours stands in it all the same.
  const isOf = (tag, shown) => tag !== null && tag.replace(/^W\//, '').startsWith(shown.slice(0, -1));

  // Whether anything has changed: by the entity tag, so that nothing is sent if nothing has.
  async function check() {
    if (asking) { return; }
    if (!known) { return refresh(); }
    asking = true;
    let changed = false;
    try {
      const shown = [[resource(), body.dataset.tag]];
      if (body.dataset.also) { shown.push([body.dataset.also, body.dataset.alsoTag]); }
      for (const [address, tag] of shown) {
        const answer = await ask(address, 'application/json');
        if (answer.status === 401) { return over(); }
        if (!answer.ok && !tag) { continue; } // it was not there when the page was made either
        if (!answer.ok) { throw new Error(answer.status); }
        changed = changed || !tag || !isOf(answer.headers.get('ETag'), tag);
      }
      if (!changed) {
        await askOfGone();
        find('#asof').dateTime = new Date(now()).toISOString();
        localise(find('.asof'));
        found();
      }
    } catch {
      lost();
    } finally {
      asking = false;
    }
    if (changed || askAgain) { refresh(); }
  }

  async function refresh() {
    if (asking) { askAgain = true; return; }
    asking = true;
    askAgain = false;
    const began = performance.now();
    try {
      const answer = await ask(location.pathname + location.search, 'text/html');
      if (answer.redirected) { return over(); }
      if (!answer.ok) { throw new Error(answer.status); }
      apply(parse(await answer.text()));
      await askOfGone();
      found();
    } catch {
      lost();
    } finally {
      took = performance.now() - began;
      asking = false;
    }
    if (askAgain) { soon(); }
  }

  // however much happens, most of the time is the reader's
  let waiting = 0;
  function soon() {
    if (!waiting) { waiting = setTimeout(() => { waiting = 0; refresh(); }, Math.max(250, 4 * took)); }
  }

  // The stream of the run's events says when to look. One that is not looked at leaves its connection to others: browsers
  // have few for each server.
  function follow() {
    const address = body.dataset.events;
    if (!address || document.hidden) {
      if (source) { source.close(); source = null; }
      return;
    }
    if (source || Date.now() < followAt) { return; }
    const mine = source = new EventSource(address);
    mine.onmessage = soon;
    mine.onerror = () => {
      if (mine.readyState === EventSource.CLOSED && source === mine) {
        source = null;
        followAt = Date.now() + 2000; // not again and again
      }
      plan(0);
    };
  }

  // ---- what the reader does -----------------------------------------------------------------------------------------------------

  // The data of an event as text: every digit, and nothing invisible. Nothing if the answer is of another event, since this one was removed.
  function shown(text, seq) {
    const digits = (name, value, context) => (typeof value === 'number' && context && JSON.rawJSON ? JSON.rawJSON(context.source) : value);
    const event = JSON.parse(text, digits).data[0];
    if (!event || JSON.stringify(event.event_seq) !== seq) { return null; }
    return JSON.stringify(event.data, null, 2).replace(/[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  }

  document.addEventListener('toggle', async (event) => {
    const details = event.target;
    const address = details.dataset && details.dataset.load;
    if (!address || !details.open) { return; }
    const place = find('p, pre', details);
    try {
      const answer = await ask(address, 'application/json');
      if (!answer.ok) { throw new Error(answer.status); }
      const text = shown(await answer.text(), details.closest('li').id.slice('event-'.length));
      const data = document.createElement(text === null ? 'p' : 'pre');
      data.dir = 'auto';
      data.textContent = text === null ? 'This event was removed by retention since the page was made.' : text;
      if (text !== null) { // which may be long, and is scrolled by keys as well
        data.tabIndex = 0;
        data.setAttribute('role', 'group');
        data.setAttribute('aria-label', find('summary', details).textContent);
      }
      delete details.dataset.load;
      place.replaceWith(data);
    } catch { /* the link is there */ }
  }, true);

  document.addEventListener('click', async (event) => {
    const button = event.target.closest('button');
    if (!button) { return; }
    if (button.id === 'zone') {
      inUtc = !inUtc;
      try { localStorage.setItem('pdpp-times', inUtc ? 'utc' : 'local'); } catch { /* for this page, then */ }
      localise(document);
      nameZone();
    } else if (button.id === 'fresh' && held.has('list')) {
      list().tabIndex = -1;
      list().focus({preventScroll: true});
      mergeRows(list(), held.get('list'), true);
    } else if (button.dataset.copy) {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
      } catch { // where that is not allowed
        getSelection().selectAllChildren(find('#run-id'));
        document.addEventListener('copy', (copying) => {
          copying.clipboardData.setData('text/plain', button.dataset.copy);
          copying.preventDefault();
        }, {once: true});
        document.execCommand('copy');
      }
      button.textContent = 'Copied';
      find('#announced').textContent = 'The id is copied.';
      setTimeout(() => { button.textContent = 'Copy id'; }, 2000);
    }
  });

  // filters that are left open do not stand in the address
  document.addEventListener('formdata', (event) => {
    if (event.target.method !== 'get') { return; }
    for (const [name, value] of [...event.formData]) { if (value === '') { event.formData.delete(name); } }
  });

  remember(document);
  localise(document);
  nameZone();
  reveal(document);
  if (!is.run && !is.runs) { return; }
  for (const part of all('[data-live]')) {
    part.addEventListener('mouseleave', () => settle(part));
    part.addEventListener('focusout', () => setTimeout(() => settle(part)));
  }
  find('#fresh').addEventListener('mouseleave', () => settle(list()));
  document.addEventListener('visibilitychange', () => { follow(); plan(0); });
  addEventListener('online', () => plan(0));
  addEventListener('pagehide', stop);
  addEventListener('pageshow', (event) => { if (event.persisted) { plan(0); } });
  setInterval(tick, 1000);
  found();
})();
