// The page of `eddy load --html`: draws what the JSON object of a result holds, and nothing else.
// Texts go in as text, never as HTML, since targets and errors are what others wrote.
'use strict';

const result = JSON.parse(document.getElementById('result').textContent);
const report = document.getElementById('report');

// --- Words and numbers

const grouped = new Intl.NumberFormat('en-US', {maximumFractionDigits: 0});

function digits3(number) {
  const size = Math.abs(number);
  return number.toFixed(size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2);
}

function time(us) {
  if (us === null || us === undefined) return '–';
  if (us === 0) return '0';
  if (us < 1) return `${digits3(us * 1000)} ns`;
  if (us < 999.5) return `${digits3(us)} µs`;
  if (us < 999500) return `${digits3(us / 1e3)} ms`;
  return `${digits3(us / 1e6)} s`;
}

// On an axis: "10 ms", not "10.0 ms".
const tick = (text) => text.replace(/(\.\d*?)0+(?= |$)/, '$1').replace(/\.(?= |$)/, '');

// "43.9 to 47.2 ms"; an upper end that is not known lies beyond what was seen.
function range([low, high]) {
  const unit = (text) => text.slice(text.lastIndexOf(' '));
  const [from, to] = [time(low), high === null ? ' more' : time(high)];
  return unit(from) === unit(to) ? `${from.slice(0, from.lastIndexOf(' '))} to ${to}` : `${from} to ${to.trim()}`;
}

function count(number) {
  return number >= 100 || Number.isInteger(number) ? grouped.format(number) : digits3(number);
}

function seconds(number) {
  if (number < 120) return `${digits3(number).replace(/\.0+$/, '')} s`;
  const minutes = number / 60;
  return minutes < 120 ? `${digits3(minutes)} minutes` : `${digits3(minutes / 60)} hours`;
}

function percent(part, whole) {
  const share = whole === 0 ? 0 : (100 * part) / whole;
  if (share === 0) return '0 %';
  return share < 0.01 ? 'less than 0.01 %' : `${share >= 99.995 && part < whole ? 'more than 99.99' :
    share.toFixed(share < 1 || share > 99 && share < 100 ? 2 : share < 10 ? 1 : 0)} %`;
}

const plural = (number, what) => `${count(number)} ${what}${number === 1 ? '' : 's'}`;

// --- Elements

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const soft = (text) => make('p', {class: 'soft small'}, text);

function card(id, title, hint, ...children) {
  return make('section', {class: 'card', id}, make('h2', null, title), hint ? soft(hint) : null, ...children);
}

// Cells are texts, or a text with a smaller one below it.
function table(head, rows, textColumns = []) {
  const cell = (name, content, column) => {
    const [text, below] = Array.isArray(content) ? content : [content];
    const element = make(name, textColumns.includes(column) ? {class: 'text'} : null, text);
    if (below) element.append(make('span', {class: 'soft'}, below));
    return element;
  };
  const row = (name, cells) => make('tr', null, ...cells.map((content, column) => cell(name, content, column)));
  return make('div', {class: 'scroll'}, make('table', null,
    make('thead', null, row('th', head)),
    make('tbody', null, ...rows.map((cells) => row('td', cells)))));
}

function list(entries, kind) {
  const items = entries.filter(([, value]) => value !== null && value !== undefined && value !== '')
    .flatMap(([name, value]) => [make('dt', null, name), make('dd', null, value)]);
  return make('dl', kind ? {class: kind} : null, ...items);
}

// --- What the run was

const requests = result.requests;
const latency = result.latency_us;
const isPaced = result.arrivals && result.arrivals !== 'closed';
const response = isPaced ? 'Response time' : 'Latency';
const percentiles = latency ? Object.keys(latency).filter((name) => /^p[0-9.]+$/.test(name)) : [];
const timeline = result.timeline || [];

function inWords(name) {
  const known = {p50: 'half', p90: '9 of 10', p99: '99 of 100', 'p99.9': '999 of 1,000', 'p99.99': '9,999 of 10,000'};
  return known[name] || `${name.slice(1)} %`;
}

function interval(name) {
  const found = (result.interval_us || {})[name];
  if (!found) return null;
  return range(found);
}

// --- The verdict

const kVerdicts = {
  VALID: ['good', '✓', 'The load generator kept up, the server was steady, and the run was long enough: these figures can be ' +
    'relied on.'],
  'CLIENT-LIMITED': ['warn', '!', isPaced ? 'The load generator’s own lateness is a visible part of these response times: the ' +
    'server’s are shorter.' : 'The load generator itself was the bottleneck. The server may be faster than what is shown here.'],
  UNSTABLE: ['warn', '!', 'The server did not stay the same while it was measured, so the figures mix different states.'],
  'TOO SHORT': ['warn', '!', 'Too few slow requests were seen to be sure of the slowest ones. A longer run settles them; the ' +
    'typical times below hold.'],
};

// What outweighs the verdict, by exit status.
const kFailures = {
  3: ['NO CONNECTION', 'No connection to the server could be made, so there is nothing to report.'],
  4: ['NO ANSWER', 'The server answered nothing, so there is nothing to report.'],
  5: ['WRONG ANSWERS', 'What came back is not what was asked for. The times below are not those of good answers.'],
  99: ['LIMIT CROSSED', 'A limit that was set for this run is crossed.'],
  130: ['INTERRUPTED', 'The run was ended before anything was measured.'],
};

function verdict() {
  let [kind, sign, meaning] = kVerdicts[result.verdict] || ['bad', '✕', 'Nothing could be measured.'];
  let word = result.verdict || 'NOT MEASURED';
  let more = null;
  if (kFailures[result.status]) {
    more = result.verdict ? `${result.verdict}: ${meaning}` : null;
    [kind, sign] = ['bad', '✕'];
    [word, meaning] = kFailures[result.status];
  } else if (kind === 'good' && result.status !== 0) {
    [kind, sign] = ['warn', '!'];
    word += ', with troubles';
  }
  const failed = requests.scheduled - requests.answered;
  const reason = result.reason ? `Reason: ${result.reason}.` : null;
  const lines = [meaning, more,
    failed > 0 && result.status !== 3 ? `${count(failed)} of ${plural(requests.scheduled, 'request')} got no good answer.` : null];
  return make('div', {class: `card verdict ${kind}`, id: 'verdict'},
    make('b', null, `${sign} ${word}`), ...lines.filter(Boolean).map((text) => make('p', null, text)),
    reason ? make('p', {class: 'small'}, reason) : null,
    result.interrupted ? make('p', {class: 'small'}, 'The run was interrupted; this is what had been measured by then.') : null);
}

function story() {
  const how = {
    replayed: 'at the moments of a recording',
    constant: 'at equal distances',
    poisson: 'at random moments, as many independent users do',
  }[result.arrivals] || 'by a schedule';
  const connections = plural(result.connections, 'connection');
  let text = isPaced ?
    `For ${seconds(result.seconds)}, ${connections} carried ${result.rate ? `${count(result.rate)} requests a second` :
      'requests'} to the server, ${how}, whether or not it kept up. ` :
    `For ${seconds(result.seconds)}, ${connections} sent a request as soon as the last was answered` +
      `${result.depth > 1 ? `, ${count(result.depth)} at a time on each` : ''}. The server answered ` +
      `${count(result.requests_per_second)} a second. In such a closed loop nobody asks while the server is slow, so users who ` +
      'come at that rate by themselves would wait longer. ';
  if (latency.p50 !== null) text += `Half of the requests took no longer than ${time(latency.p50)}`;
  const sure = (name) => interval(name) ? ` (95 % sure: between ${interval(name).replace(' to ', ' and ')})` : '';
  if (latency.p99 !== null) text += `, 99 of 100 no longer than ${time(latency.p99)}${sure('p99')}`;
  if (latency.p50 !== null) text += `; the slowest took ${time(latency.max)}. `;
  const missing = requests.scheduled - requests.answered;
  text += missing === 0 ? `All ${count(requests.scheduled)} requests were answered.` :
    `Of ${plural(requests.scheduled, 'request')}, ${count(missing)} (${percent(missing, requests.scheduled)}) got no good answer.`;
  return make('p', {class: 'lead', id: 'story'}, text);
}

function tile(name, value, more, alarm) {
  return make('div', {class: alarm ? 'tile alarm' : 'tile'}, make('div', {class: 'name'}, name),
    make('div', {class: 'value'}, value), make('div', {class: 'more'}, more || ''));
}

function tiles() {
  const missing = requests.scheduled - requests.answered;
  return make('div', {class: 'tiles', id: 'tiles'},
    tile('Answers a second', count(result.requests_per_second), result.rate ? `${count(result.rate)} asked for` : isPaced ? 'by a schedule' : 'closed loop'),
    tile('Median (p50)', time(latency.p50), 'half were faster'),
    tile('p99', time(latency.p99), interval('p99') || '1 of 100 was slower'),
    tile('p99.9', time(latency['p99.9']), latency['p99.9'] === null ? 'too few samples' : '1 of 1,000 was slower'),
    tile('Slowest', time(latency.max), `of ${plural(latency.samples, 'request')}`),
    tile('Failed', count(missing), percent(missing, requests.scheduled), missing > 0));
}

// --- Tables

function figures() {
  const columns = isPaced ? [['Response', latency], ['Service', result.service_us], ['Lag', result.lag_us]] :
    [['Latency', latency]];
  const row = (name, words, key, below) => [[name, words],
    ...columns.map(([, times], i) => i === 0 && below ? [time(times[key]), below] : time(times[key]))];
  const rows = percentiles.map((name) => row(name, `${inWords(name)} within`, name, interval(name) ||
    (latency[name] === null ? 'too few samples' : 'interval: too short to tell')));
  rows.push(row('max', 'the slowest', 'max'), row('mean', 'the average', 'mean'));
  return card('figures', 'How long requests took',
    isPaced ? 'Response: from the moment the request was due to its last byte, which is what a user waits. Service: from when ' +
      'it was really sent. Lag: the time between the two. Small print: the 95 % interval of the response time.' :
      'From the request to the last byte of its answer. Small print: the 95 % interval.',
    table(['', ...columns.map(([name]) => name)], rows));
}

// Limits of --fail-if; in the unit of the figure: microseconds, a share, a second.
function thresholds() {
  const limits = result.thresholds || [];
  if (limits.length === 0) return null;
  const shown = (limit, value) => /^(p[0-9.]|max|mean)/.test(limit.expression) ? time(value) :
    /^errors/.test(limit.expression) ? percent(value, 1) : count(value);
  const rows = limits.map((limit) => [limit.expression, limit.value === null ? '–' : shown(limit, limit.value),
    `${limit.failed ? '✕ crossed' : limit.value === null ? 'not known' : '✓ kept'}${limit.sure || limit.value === null ? '' : ', not surely'}`]);
  return card('thresholds', 'Limits of this run', 'The run fails where one of these holds.', table(['fails if', 'measured', ''], rows));
}

function kinds() {
  const names = Object.keys(result.kinds || {});
  if (names.length < 2) return null;
  const rows = names.map((name) => {
    const times = result.kinds[name];
    return [name, count(times.samples), ...percentiles.map((each) => time(times[each])), time(times.max)];
  });
  return card('kinds', 'By kind of request', `${response}s of each kind in the mix.`,
    table(['', 'requests', ...percentiles, 'max'], rows));
}

const kOutcomes = [
  ['answered', 'answered', '--teal'], ['wrong', 'wrong answers', '--red'], ['lost', 'lost with their connection', '--orange'],
  ['timed_out', 'timed out', '--red'], ['abandoned', 'given up on purpose', '--grey'],
  ['unanswered', 'unanswered at the end', '--orange'], ['unsent', 'never sent', '--grey'],
];

// What the answers say, beside that there are some: the statuses of HTTP, a store's keys.
function answerKinds() {
  const {statuses, reads} = result;
  const counted = Object.entries(statuses || reads || {}).filter(([, times]) => times > 0);
  if (counted.length === 0) return null;
  const words = counted.map(([kind, times]) => `${count(times)} ${kind}`).join(', ');
  return make('p', {id: 'answer_kinds'}, `${statuses ? 'Answers by status' : 'Keys that were read'}: ${words}.`);
}

function outcomes() {
  const parts = kOutcomes.filter(([key]) => requests[key] > 0);
  const sum = parts.map(([key, words]) => `${count(requests[key])} ${words}`).join(' + ') || '0';
  const bar = make('div', {class: 'share', role: 'img', 'aria-label': sum}, ...parts.map(([key, words, colour]) =>
    make('span', {style: `flex: ${requests[key]} 0 2px; background: var(${colour})`, title: words})));
  const causes = {connect: 'not connected', lost: 'connection lost', timed_out: 'timed out', wrong: 'wrong answer'};
  const troubles = (result.troubles || []).map(({kind, cause, count: times}) => [causes[kind] || kind, cause, count(times)]);
  return card('outcomes', 'What became of the requests', 'Every scheduled request is accounted for.',
    bar, make('p', {class: 'sum', id: 'sum'}, `${count(requests.scheduled)} scheduled = ${sum}`),
    answerKinds(),
    troubles.length === 0 ? soft('No connection met trouble.') : table(['trouble', 'cause', 'times'], troubles, [1]));
}

function generator() {
  const rows = [['Time to connect', result.connect_us], ['Time to the first byte', result.first_byte_us],
    ['Generator’s own lateness', isPaced ? result.client_lateness_us : null]]
    .filter(([, times]) => times && times.samples > 0)
    .map(([name, times]) => [name, time(times.p50), time(times.p99), time(times.max)]);
  const cpu = (us, share) => us === null || us === undefined ? null :
    `${time(us)} a request${share === undefined ? '' : `, ${Math.round(share)} % of a core`}`;
  return card('generator', 'The load generator, and other times',
    'A generator that is busy or late would be measuring itself.',
    table(['', 'p50', 'p99', 'max'], rows),
    list([['Generator’s CPU', cpu(result.client_cpu_us_per_request, result.client_cpu_percent)],
      ['Server’s CPU', cpu(result.server_cpu_us_per_request)],
      ['Received', `${digits3(result.megabytes_per_second)} MB/s`]]));
}

// Rows as they are, since workers and ranks have figures of their own.
function members(key, title) {
  const rows = result[key];
  if (!Array.isArray(rows) || rows.length < 2) return null;
  const columns = Object.keys(rows[0]).filter((name) => typeof rows[0][name] !== 'object' || rows[0][name] === null);
  const shown = (name, value) => typeof value !== 'number' ? String(value ?? '–') : name.endsWith('_us') ? time(value) :
    name.endsWith('_percent') ? `${Math.round(value)} %` : count(value);
  const heading = (name) => name.replace(/_(us|percent)$/, '').replace(/_/g, ' ').replace('cpu', 'CPU');
  return card(key, title, null, table(['', ...columns.map(heading)],
    rows.map((row, i) => [String(i + 1), ...columns.map((name) => shown(name, row[name]))])));
}

function setUp() {
  const up = result.set_up || {};
  const arrivals = {closed: 'closed loop', constant: 'constant rate', poisson: 'Poisson process',
    replayed: 'replayed from a recording'}[result.arrivals] || result.arrivals;
  return card('set_up', 'What was measured', null, list([
    ['Target', result.target],
    ['Connections', `${count(result.connections)}, ${plural(result.depth, 'request')} at a time on each` +
      ((result.workers || []).length > 1 ? `, on ${result.workers.length} threads` : '')],
    ['Arrivals', arrivals + (result.rate ? `, ${count(result.rate)} requests a second` : result.rate_profile ?
      `, ${result.rate_profile} requests a second` : '')],
    ['Seed', String(result.seed)],
    ['Measured', `${seconds(result.seconds)}${up.warmup ? `, after a warm-up of ${seconds(up.warmup)}` : ''}`],
    ['Timeout', up.timeout ? seconds(up.timeout) : null],
    ['Backend', result.backend],
    ['Machine', [up.cpu, up.cpus ? plural(up.cpus, 'CPU') : null].filter(Boolean).join(', ')],
    ['Kernel', up.kernel],
    ['Ended', up.ended ? up.ended.replace('T', ' ').replace('Z', ' UTC') : null],
    ['eddy', up.version],
    ['Command', up.command ? make('code', null, up.command) : null],
  ]));
}

function words() {
  return card('words', 'How to read this', null, list([
    ['p50, p99, p99.9', 'Percentiles. p99 = 4 ms means: 99 of 100 requests took 4 ms or less, and one took longer. Averages hide ' +
      'those; users meet them all the time, since a page makes many requests.'],
    ['95 % interval', 'A run is a sample. If it were repeated, 95 of 100 such intervals would contain the true value.'],
    ['Response time', 'Counted from the moment the request was due by the schedule, even if no connection was free to send it. ' +
      'A server that stalls is seen as its users would see it.'],
    ['–', 'Too few samples: beyond a percentile there have to be at least ten.'],
    ['Verdict', 'VALID: trust it. CLIENT-LIMITED: the generator was busy, or late itself. UNSTABLE: the server changed during the run. ' +
      'TOO SHORT: run it longer.'],
  ], 'words'));
}

// --- Plots

const plots = [];  // [canvas, what makes its chart]
let drawn = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function plot(id, label, configure) {
  const canvas = make('canvas', {id: `${id}_plot`, role: 'img', 'aria-label': label});
  plots.push([canvas, configure]);
  return make('div', {class: 'plot'}, canvas);
}

function draw() {
  for (const chart of drawn) chart.destroy();
  Chart.defaults.color = colour('--soft');
  Chart.defaults.borderColor = colour('--line');
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  Chart.defaults.animation = false;
  drawn = plots.map(([canvas, configure]) => new Chart(canvas, configure()));
}

function line(label, name, data, more) {
  return {label, data, borderColor: colour(name), backgroundColor: colour(name), borderWidth: 2, pointRadius: data.length <= 40 ? 2 : 0,
    pointHitRadius: 8, tension: 0, ...more};
}

const legend = {position: 'bottom', labels: {boxWidth: 14, boxHeight: 2, padding: 14}};

function title(text) {
  return {display: true, text};
}

// Latencies differ by powers of ten; where they do, so does the axis: from 1, 2 or 5 of something.
function timeAxis(values) {
  const known = values.filter((value) => value > 0);
  const least = Math.min(...known);
  const span = Math.max(...known) / least;
  if (!(span > 20)) {
    return {type: 'linear', beginAtZero: true, title: title('time'), ticks: {callback: (value) => tick(time(value)), maxTicksLimit: 10}};
  }
  const leading = span > 1000 ? ['1'] : ['1', '2', '5'];
  const decade = 10 ** Math.floor(Math.log10(least));
  return {
    type: 'logarithmic', min: decade * [5, 2, 1].find((factor) => factor * decade <= least * 1.0001), title: title('time (logarithmic)'),
    afterBuildTicks: (axis) => {
      axis.ticks = axis.ticks.filter(({value}) => leading.includes(value.toExponential(0)[0]) && value >= axis.min);
    },
    ticks: {autoSkip: false, callback: (value) => tick(time(value))},
  };
}

function options(x, y, tooltip, more) {
  return {responsive: true, maintainAspectRatio: false, interaction: {mode: 'nearest', axis: 'x', intersect: false},
    scales: {x, y}, plugins: {legend, tooltip: {callbacks: tooltip}}, ...more};
}

// Intervals as whiskers: points with a `range`.
const whiskers = {
  id: 'whiskers',
  afterDatasetsDraw(chart) {
    const {ctx: context, scales: {x, y}} = chart;
    context.save();
    context.lineWidth = 2;
    for (const set of chart.data.datasets) {
      context.strokeStyle = set.borderColor;
      for (const point of set.data) {
        if (!point.range) continue;
        const at = x.getPixelForValue(point.x);
        const [low, high] = point.range.map((value) => y.getPixelForValue(value));
        context.beginPath();
        for (const end of [low, high]) {
          context.moveTo(at - 5, end);
          context.lineTo(at + 5, end);
        }
        context.moveTo(at, low);
        context.lineTo(at, high);
        context.stroke();
      }
    }
    context.restore();
  },
};

// The axis of percentiles: the distance to 100 % on a logarithmic scale, so that each step has one more nine.
const nines = (percentile) => -Math.log10(1 - percentile / 100);
const ofNines = (step) => {
  const decimals = Math.max(0, Math.ceil(step - 1e-9) - 2);
  return `${(100 - 100 * 10 ** -step).toFixed(decimals)} %`;
};

function percentilePlot() {
  const curves = result.percentiles;
  if (!curves || curves.response_us.length === 0) return null;
  const points = (pairs) => pairs.map(([percentile, us]) => ({x: nines(percentile), y: us}));
  const sure = percentiles.filter((name) => interval(name)).map((name) => {
    const [low, high] = result.interval_us[name];
    return {x: nines(Number(name.slice(1))), y: latency[name], range: [low, high ?? latency.max]};
  });
  const shown = curves.response_us.concat(isPaced ? curves.service_us : []);
  const last = shown.reduce((most, [percentile]) => Math.max(most, percentile), 0);
  const configure = () => ({
    type: 'line',
    data: {datasets: [
      line(response, '--blue', points(curves.response_us), {pointRadius: 0}),
      ...(isPaced ? [line('Service time', '--teal', points(curves.service_us), {pointRadius: 0, borderDash: [6, 4]})] : []),
      ...(sure.length > 0 ? [line('95 % interval', '--orange', sure, {showLine: false, pointRadius: 4})] : []),
    ]},
    options: options(
      {type: 'linear', min: 0, max: Math.max(1, Math.ceil(nines(last) * 4) / 4), title: title('share of the requests'),
        ticks: {stepSize: 1, maxRotation: 0, callback: (value) => Number.isInteger(value) ? ofNines(value) : ''}},
      timeAxis(shown.map(([, us]) => us)),
      {title: ([item]) => item ? `${(100 - 100 * 10 ** -item.parsed.x).toPrecision(6).replace(/\.?0+$/, '')} % took no longer than` : '',
        label: (item) => ` ${item.dataset.label}: ${item.raw.range ? range(item.raw.range) : time(item.parsed.y)}`}),
    plugins: [whiskers],
  });
  return card('percentiles', 'Latency by percentile',
    'To the right are the rarer, slower requests: each step is ten times as rare. A flat line is an even server; where it turns ' +
      'up, some requests wait much longer than the rest.',
    plot('percentiles', `${response} by percentile: ${percentiles.map((name) => `${name} ${time(latency[name])}`).join(', ')}`,
      configure));
}

// The last span is what was left of a second: too short a one has no rate.
function spans() {
  const usual = timeline.length > 0 ? timeline[0].length : 0;
  return timeline.filter((span) => span.length >= usual / 2);
}

function overTime(y, tooltip) {
  const end = timeline.reduce((most, span) => Math.max(most, span.start + span.length), 0);
  return options(
    {type: 'linear', min: 0, max: end > 3 ? Math.ceil(end - 0.05) : end, title: title('seconds'),
      ticks: {maxTicksLimit: 12, maxRotation: 0, callback: (value) => tick(count(value))}}, y,
    {title: ([item]) => item ? `at ${seconds(item.parsed.x)}` : '', label: tooltip});
}

const middle = (span) => span.start + span.length / 2;

function ratePlot() {
  const shown = spans();
  if (shown.length < 2) return null;
  const failed = (span) => span.requests.scheduled === undefined ? 0 :
    span.requests.wrong + span.requests.lost + span.requests.timed_out + span.requests.unanswered + span.requests.unsent;
  const hasFailed = shown.some((span) => failed(span) > 0);
  const configure = () => ({
    type: 'line',
    data: {datasets: [
      line('Answered', '--blue', shown.map((span) => ({x: middle(span), y: span.completed / span.length}))),
      ...(result.rate ? [line('Asked for', '--grey', [{x: 0, y: result.rate}, {x: shown.at(-1).start + shown.at(-1).length, y: result.rate}],
        {borderDash: [4, 4], pointRadius: 0, borderWidth: 1.5})] : isPaced ? [line('Asked for', '--grey', shown.map((span) =>
        ({x: middle(span), y: span.requests.scheduled / span.length})), {borderDash: [4, 4], pointRadius: 0, borderWidth: 1.5})] : []),
      ...(hasFailed ? [line('Not answered', '--red', shown.map((span) => ({x: middle(span), y: failed(span) / span.length})))] : []),
    ]},
    options: overTime({beginAtZero: true, title: title('requests a second'), ticks: {callback: (value) => tick(count(value))}},
      (item) => ` ${item.dataset.label}: ${count(item.parsed.y)} a second`),
  });
  return card('rate', 'Rate over time', 'A dip is a moment in which the server answered less.',
    plot('rate', `Answers a second, over ${seconds(result.seconds)}`, configure));
}

function latencyPlot() {
  const shown = spans();
  if (shown.length < 2) return null;
  const isKnown = (name) => shown.some((span) => span.latency_us[name] > 0);
  const series = [['p50', '--teal'], [isKnown('p99') ? 'p99' : 'p90', '--blue'], ['p99.9', '--orange'], ['max', '--red']]
    .filter(([name]) => isKnown(name));
  const values = shown.flatMap((span) => series.map(([name]) => span.latency_us[name]));
  const configure = () => ({
    type: 'line',
    data: {datasets: series.map(([name, tint]) => line(name === 'max' ? 'slowest' : name, tint,
      shown.map((span) => ({x: middle(span), y: span.latency_us[name]})), {spanGaps: false, borderWidth: name === 'max' ? 1 : 2}))},
    options: overTime(timeAxis(values), (item) => ` ${item.dataset.label}: ${time(item.parsed.y)}`),
  });
  return card('latency', 'Latency over time', 'A peak is a moment in which requests had to wait.',
    plot('latency', `${response}s over ${seconds(result.seconds)}`, configure));
}

// --- A search for the highest rate within an objective

function searchPlot() {
  const search = result.search;
  if (!search || !Array.isArray(search.runs) || search.runs.length === 0) return null;
  const runs = [...search.runs].sort((a, b) => a.rate - b.rate);
  const limit = objective(search.objective);
  const point = (run) => ({x: run.rate, y: run.value_us,
    range: run.interval_us ? [run.interval_us[0], run.interval_us[1] ?? run.value_us] : undefined});
  const within = runs.filter((run) => run.value_us !== null && run.within);
  const beyond = runs.filter((run) => run.value_us !== null && !run.within);
  const highest = runs.at(-1).rate;
  const values = runs.flatMap((run) => [run.value_us, ...(run.interval_us || [])]).concat(limit ?? []);
  const top = Math.max(...values.filter((value) => value > 0));
  const configure = () => {
    const y = timeAxis(values);
    const bottom = y.type === 'linear' ? 0 : Math.min(...values.filter((value) => value > 0));
    return {
      type: 'line',
      data: {datasets: [
        line('Within the objective', '--teal', within.map(point), {pointRadius: 5, showLine: false}),
        line('Beyond it', '--red', beyond.map(point), {pointRadius: 5, pointStyle: 'rectRot', showLine: false}),
        line('Measured', '--grey', within.concat(beyond).sort((a, b) => a.rate - b.rate).map((run) => ({x: run.rate, y: run.value_us})),
          {pointRadius: 0, borderWidth: 1}),
        ...(limit ? [line(search.objective, '--orange', [{x: 0, y: limit}, {x: highest * 1.05, y: limit}],
          {pointRadius: 0, borderDash: [6, 4]})] : []),
        ...(search.max_rate ? [line(`Highest rate: ${count(search.max_rate)} a second`, '--blue',
          [{x: search.max_rate, y: bottom}, {x: search.max_rate, y: top}], {pointRadius: 0, borderDash: [2, 3]})] : []),
      ]},
      options: options({type: 'linear', min: 0, max: highest * 1.05, title: title('requests a second'),
        ticks: {maxRotation: 0, callback: (value) => tick(count(value))}}, y,
      {title: ([item]) => item ? `${count(item.parsed.x)} a second` : '', label: (item) => ` ${item.dataset.label}: ${time(item.parsed.y)}`}),
      plugins: [whiskers],
    };
  };
  const rows = runs.map((run) => [count(run.rate), [time(run.value_us), run.interval_us ? range(run.interval_us) : null],
  run.within ? 'yes' : 'no', run.verdict]);
  return card('search', 'How much it can take',
    search.max_rate ? `The highest rate at which ${search.objective} held: ${count(search.max_rate)} requests a second.` :
      `No rate was found at which ${search.objective} held.`,
    plot('search', `Latency by rate, and the objective ${search.objective}`, configure),
    table(['requests a second', search.objective.split(/[<>]/)[0], 'within', 'verdict'], rows));
}

// The limit of "p99.9<5ms", in microseconds.
function objective(text) {
  const found = /<=?\s*([0-9.]+)\s*(ns|us|µs|ms|s|m)?$/.exec(text || '');
  if (!found) return null;
  return Number(found[1]) * {ns: 1e-3, us: 1, 'µs': 1, ms: 1e3, s: 1e6, m: 6e7}[found[2] || 's'];
}

// --- The page

function build() {
  const target = result.target || '';
  document.title = `${result.verdict || 'NOT MEASURED'}: ${target}`;
  report.append(make('h1', null, `Load test of ${target}`),
    make('div', {class: 'soft small'}, `eddy load${result.set_up ? `, ${result.set_up.ended.replace('T', ' ').replace('Z', ' UTC')}` : ''}`),
    verdict());
  if (requests.answered > 0) report.append(story(), tiles());
  const add = (...parts) => report.append(...parts.filter(Boolean));
  add(searchPlot(), thresholds());
  if (requests.answered > 0) add(make('div', {class: 'pair'}, ...[percentilePlot(), figures()].filter(Boolean)));
  const courses = [ratePlot(), latencyPlot()].filter(Boolean);
  if (courses.length > 0) add(make('div', {class: 'pair'}, ...courses));
  add(kinds(), make('div', {class: 'pair'}, outcomes(), generator()), members('workers', 'By thread of the load generator'), members('ranks', 'By rank'),
    setUp(), words(),
    make('footer', null, 'Made by eddy load. This file is complete in itself and loads nothing. Charts: Chart.js, under the MIT licence.'));
}

// On paper it is light, whatever the screen is.
function onPaper(isPaper) {
  document.documentElement.classList.toggle('paper', isPaper);
  draw();
}

build();
draw();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
addEventListener('beforeprint', () => onPaper(true));
addEventListener('afterprint', () => onPaper(false));
