// A line chart over time, with the same figures as a table for who cannot see it.

import {h, s, replace} from './ui.js';
import {clock, day, zone} from './format.js';

const LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 22;

// steps are round values from 0 up that cover max.
function steps(max, want = 4) {
  if (!(max > 0)) return [0, 1];
  const rough = max / want;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = size * [1, 2, 2.5, 5, 10].find((m) => m * size >= rough);
  const out = [];
  for (let v = 0; v < max + step * .999; v += step) out.push(Number(v.toPrecision(12)));
  return out;
}

// lineChart({label, series: [{name, values, style}], times: [Date], format}):
// values may be null where nothing was measured. style is s1 to s5.
export function lineChart({label, series, times, format = String, height = 200, area = true}) {
  const box = h('div', {class: 'chart'});
  const tip = h('div', {class: 'chart-tip', hidden: true, 'aria-hidden': 'true'});
  const legend = h('div', {class: 'legend'});
  const words = h('details', {class: 'as-table'}, h('summary', null, 'Figures as a table'));
  const axis = h('p', {class: 'axis'}, `Times in ${zone}`);
  const holder = h('div');
  replace(box, holder, tip);
  const el = h('div', {class: 'stack'}, legend, box, h('div', {class: 'under'}, words, axis));
  let state = {series, times}, width = 0, frame;

  const long = () => state.times.length > 1 && state.times.at(-1) - state.times[0] > 36 * 3600 * 1000;
  const when = (t) => (long() ? day(t) : clock(t));

  function draw() {
    const n = state.times.length;
    const max = Math.max(0, ...state.series.flatMap((one) => one.values.map((v) => v ?? 0)));
    const ticks = steps(max), top = ticks.at(-1);
    const w = Math.max(240, width) - LEFT - RIGHT, hgt = height - TOP - BOTTOM;
    const x = (i) => LEFT + (n > 1 ? w * i / (n - 1) : w / 2);
    const y = (v) => TOP + hgt * (1 - v / top);
    const every = Math.max(1, Math.ceil(n / Math.max(2, Math.floor(w / 90))));
    const svg = s('svg', {height, viewBox: `0 0 ${LEFT + w + RIGHT} ${height}`, role: 'img', 'aria-label': summary()},
      ticks.map((v) => [s('line', {class: 'grid', x1: LEFT, x2: LEFT + w, y1: y(v), y2: y(v)}), s('text', {x: LEFT - 8, y: y(v) + 4, 'text-anchor': 'end'}, format(v))]),
      state.times.map((t, i) => ((n - 1 - i) % every === 0 ? s('text', {x: x(i), y: height - 4, 'text-anchor': i === n - 1 && n > 1 ? 'end' : 'middle'}, when(t)) : null)),
      state.series.map((one) => curve(one, x, y, TOP + hgt)));
    const at = s('line', {class: 'at', y1: TOP, y2: TOP + hgt, visibility: 'hidden'});
    svg.append(at);
    svg.addEventListener('pointermove', (e) => hover(e, svg, at, x, w));
    svg.addEventListener('pointerleave', () => { tip.hidden = true; at.setAttribute('visibility', 'hidden'); });
    replace(holder, svg);
    replace(legend, state.series.map((one) => h('span', null, h('i', {class: one.style}), one.name)));
    if (words.open) drawWords();
  }

  // curve breaks where nothing was measured.
  function curve({values, style}, x, y, floor) {
    let line = '', fill = '', from = null;
    values.forEach((v, i) => {
      if (v === null || v === undefined) { from = null; return; }
      line += `${from === null ? 'M' : 'L'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
      if (from === null) from = i;
      if (i + 1 === values.length || values[i + 1] === null || values[i + 1] === undefined) {
          fill += `M${x(from).toFixed(1)} ${floor}` + values.slice(from, i + 1).map((u, k) => `L${x(from + k).toFixed(1)} ${y(u).toFixed(1)}`).join('') + `L${x(i).toFixed(1)} ${floor}Z`;
      }
    });
    const alone = values.map((v, i) => (v !== null && v !== undefined && (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null ? s('circle', {class: style, cx: x(i), cy: y(v), r: 3}) : null));
    return [alone, area && state.series.length < 3 ? s('path', {class: `area ${style}`, d: fill}) : null, s('path', {class: `curve ${style}`, d: line})];
  }

  function hover(e, svg, at, x, w) {
    const n = state.times.length, rect = svg.getBoundingClientRect();
    const i = Math.max(0, Math.min(n - 1, Math.round((e.clientX - rect.left - LEFT) / w * (n - 1))));
    at.setAttribute('x1', x(i));
    at.setAttribute('x2', x(i));
    at.setAttribute('visibility', 'visible');
    replace(tip, h('b', null, when(state.times[i])), state.series.map((one) => h('div', null, `${one.name}: ${one.values[i] === null || one.values[i] === undefined ? '–' : format(one.values[i])}`)));
    tip.hidden = false;
    const left = x(i) + 12;
    tip.style.left = `${left + tip.offsetWidth > rect.width ? x(i) - 12 - tip.offsetWidth : left}px`;
  }

  function summary() {
    if (state.times.length === 0) return `${label}: nothing yet`;
    return `${label}, ${when(state.times[0])} to ${when(state.times.at(-1))}. ` + state.series.map((one) => {
      const known = one.values.filter((v) => v !== null && v !== undefined);
      return known.length ? `${one.name}: last ${format(known.at(-1))}, at most ${format(Math.max(...known))}` : `${one.name}: nothing`;
    }).join('. ');
  }

  function drawWords() {
    const rows = state.times.map((t, i) => h('tr', null, h('th', {scope: 'row'}, when(t)), state.series.map((one) => h('td', {class: 'num'}, one.values[i] === null || one.values[i] === undefined ? '–' : format(one.values[i])))));
    replace(words, words.firstChild, h('div', {class: 'table-scroll', tabindex: '0', role: 'region', 'aria-label': `${label} as a table`}, h('table', {class: 'table'}, h('caption', {class: 'quiet'}, label),
      h('thead', null, h('tr', null, h('th', {scope: 'col'}, 'Time'), state.series.map((one) => h('th', {scope: 'col', class: 'num'}, one.name)))), h('tbody', null, rows.toReversed()))));
  }

  words.addEventListener('toggle', () => { if (words.open) drawWords(); });
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now === width) return;
    width = now;
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  }).observe(box);
  el.update = (fresh) => { state = {...state, ...fresh}; draw(); };
  return el;
}
