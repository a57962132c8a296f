// How figures, money and times are written.

const whole = new Intl.NumberFormat('en-GB');
const short = new Intl.NumberFormat('en-GB', {notation: 'compact', maximumFractionDigits: 1});

export const number = (n) => whole.format(n ?? 0);
export const compact = (n) => (Math.abs(n ?? 0) < 10000 ? whole.format(Math.round(n ?? 0)) : short.format(n));

// usd shows amounts to two digits that matter: fractions of a cent are usual here.
export function usd(n) {
  n = Number(n ?? 0);
  if (n === 0) return '$0';
  const size = Math.abs(n);
  if (size >= 10000) return '$' + short.format(n);
  const digits = size >= 0.1 ? 2 : Math.min(9, 1 - Math.floor(Math.log10(size)));
  return '$' + n.toFixed(digits);
}

export function ms(n) {
  n = Number(n ?? 0);
  if (n === 0) return '0 ms';
  if (n < 1) return `${Math.round(n * 1000)} µs`;
  if (n < 10) return `${n.toFixed(1)} ms`;
  if (n < 1000) return `${Math.round(n)} ms`;
  if (n < 60000) return `${(n / 1000).toFixed(n < 10000 ? 2 : 1)} s`;
  return `${Math.floor(n / 60000)} min ${Math.round((n % 60000) / 1000)} s`;
}
export const us = (n) => ms((n ?? 0) / 1000);

export const percent = (part, all) => (all > 0 ? `${(100 * part / all).toFixed(100 * part / all < 10 && part > 0 ? 1 : 0)} %` : '–');

// zone is whose clock all times are shown by.
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const pad = (n) => String(n).padStart(2, '0');
export const day = (d) => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
export const clock = (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}`;
export const clockSeconds = (d) => `${clock(d)}:${pad(d.getSeconds())}`;

export function moment(text) {
  if (!text) return '–';
  const d = new Date(text);
  return Number.isNaN(d.getTime()) ? String(text) : `${day(d)} ${clockSeconds(d)}`;
}

// ago says how long since, or until, a moment.
export function ago(text, now = Date.now()) {
  if (!text) return 'never';
  const left = new Date(text).getTime() - now;
  const s = Math.abs(left) / 1000;
  let n = `${Math.round(s)} s`;
  if (s >= 172800) n = `${Math.round(s / 86400)} d`;
  else if (s >= 5400) n = `${Math.round(s / 3600)} h`;
  else if (s >= 90) n = `${Math.round(s / 60)} min`;
  return left > 0 ? `in ${n}` : `${n} ago`;
}

// amount writes what a limit counts.
export function amount(n, unit) {
  if (unit === 'usd') return usd(n / 1e9);
  return `${compact(n)} ${unit}`;
}
